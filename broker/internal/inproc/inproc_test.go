package inproc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/rocketflow-io/rocketflow/broker/internal/inproc"
)

// A stub answers calls by what their payload says.
type stub struct {
	testgrpc.UnimplementedTestServiceServer
	*served
}

// served is what a test is told of handlers.
type served struct {
	ended chan error // those that wait for the end of their call
	seen  chan *testgrpc.SimpleRequest
}

func newServed() *served {
	return &served{make(chan error, 1), make(chan *testgrpc.SimpleRequest, 1)}
}

func (s *stub) UnaryCall(ctx context.Context, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	switch word := string(r.GetPayload().GetBody()); word {
	case "fail":
		return nil, status.Error(codes.ResourceExhausted, "not now")
	case "odd":
		return nil, errors.New("odd")
	case "wait":
		<-ctx.Done()
		s.ended <- ctx.Err()
		return nil, ctx.Err()
	case "metadata":
		md, _ := metadata.FromIncomingContext(ctx)
		if err := grpc.SetHeader(ctx, metadata.Pairs("head", strings.Join(md.Get("word"), "+"))); err != nil {
			return nil, err
		}
		return &testgrpc.SimpleResponse{}, grpc.SetTrailer(ctx, metadata.Pairs("tail", "end"))
	case "deadline":
		at, ok := ctx.Deadline()
		if !ok {
			return nil, status.Error(codes.FailedPrecondition, "no deadline")
		}
		return &testgrpc.SimpleResponse{Username: time.Until(at).Round(time.Second).String()}, nil
	case "keep":
		s.seen <- r
	}
	return &testgrpc.SimpleResponse{Payload: r.GetPayload()}, nil
}

func (s *stub) StreamingOutputCall(r *testgrpc.StreamingOutputCallRequest, out grpc.ServerStreamingServer[testgrpc.StreamingOutputCallResponse]) error {
	for _, p := range r.GetResponseParameters() {
		body := make([]byte, p.GetSize())
		if err := out.Send(&testgrpc.StreamingOutputCallResponse{Payload: &testgrpc.Payload{Body: body}}); err != nil {
			s.ended <- err
			return err
		}
	}
	return nil
}

func (s *stub) StreamingInputCall(in grpc.ClientStreamingServer[testgrpc.StreamingInputCallRequest, testgrpc.StreamingInputCallResponse]) error {
	var size int32
	for {
		r, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return in.SendAndClose(&testgrpc.StreamingInputCallResponse{AggregatedPayloadSize: size})
		}
		if err != nil {
			return err
		}
		size += int32(len(r.GetPayload().GetBody()))
	}
}

func (s *stub) FullDuplexCall(talk grpc.BidiStreamingServer[testgrpc.StreamingOutputCallRequest, testgrpc.StreamingOutputCallResponse]) error {
	for {
		r, err := talk.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			s.ended <- err
			return err
		case string(r.GetPayload().GetBody()) == "fail":
			return status.Error(codes.Aborted, "enough")
		}
		if err := talk.Send(&testgrpc.StreamingOutputCallResponse{Payload: r.GetPayload()}); err != nil {
			return err
		}
	}
}

// A rig is a stub that is called.
type rig struct {
	*require.Assertions
	testgrpc.TestServiceClient
	*served
	hangUp func() // the server ends
}

// overBoth runs a test over gRPC and over this package, which must not differ, in bubbles.
func overBoth(t *testing.T, test func(r *rig)) {
	t.Helper()
	for name, connect := range map[string]func(*stub) (grpc.ClientConnInterface, func(), func()){
		"grpc": overGRPC, "inproc": overInproc,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServed()
				conn, hangUp, end := connect(&stub{served: s})
				defer end()
				test(&rig{require.New(t), testgrpc.NewTestServiceClient(conn), s, hangUp})
			})
		})
	}
}

func overGRPC(s *stub) (conn grpc.ClientConnInterface, hangUp, end func()) {
	pipe, server := bufconn.Listen(1<<20), grpc.NewServer()
	testgrpc.RegisterTestServiceServer(server, s)
	go func() { _ = server.Serve(pipe) }()
	cc, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }))
	if err != nil {
		panic(err)
	}
	return cc, server.Stop, func() {
		_ = cc.Close()
		server.Stop()
	}
}

func overInproc(s *stub) (conn grpc.ClientConnInterface, hangUp, end func()) {
	server := inproc.NewServer(inproc.Options{})
	testgrpc.RegisterTestServiceServer(server, s)
	c := server.Conn()
	return c, server.Close, func() {
		_ = c.Close()
		server.Close()
	}
}

func say(word string) *testgrpc.SimpleRequest {
	return &testgrpc.SimpleRequest{Payload: &testgrpc.Payload{Body: []byte(word)}}
}

func TestConn_CallsWithOneAnswer(t *testing.T) {
	overBoth(t, func(r *rig) {
		answer, err := r.UnaryCall(context.Background(), say("echo"))
		r.NoError(err)
		r.Equal("echo", string(answer.GetPayload().GetBody()))

		_, err = r.UnaryCall(context.Background(), say("fail"))
		r.Equal(codes.ResourceExhausted, status.Code(err))
		r.Equal("not now", status.Convert(err).Message())
		_, err = r.UnaryCall(context.Background(), say("odd"))
		r.Equal(codes.Unknown, status.Code(err))
		_, err = r.EmptyCall(context.Background(), &testgrpc.Empty{})
		r.Equal(codes.Unimplemented, status.Code(err))
	})
}

func TestConn_SharesNoMessage(t *testing.T) {
	overBoth(t, func(r *rig) {
		request := say("keep")
		answer, err := r.UnaryCall(context.Background(), request)
		r.NoError(err)
		(<-r.seen).Payload.Body[0] = 'X'
		r.Equal("keep", string(request.GetPayload().GetBody()))
		r.Equal("keep", string(answer.GetPayload().GetBody()))
	})
}

func TestConn_CarriesMetadataBothWays(t *testing.T) {
	overBoth(t, func(r *rig) {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "Word", "a", "word", "b")
		var header, trailer metadata.MD
		_, err := r.UnaryCall(ctx, say("metadata"), grpc.Header(&header), grpc.Trailer(&trailer))
		r.NoError(err)
		r.Equal([]string{"a+b"}, header.Get("head"))
		r.Equal([]string{"end"}, trailer.Get("tail"))
	})
}

func TestConn_TellsTheHandlerOfDeadlineAndCancellation(t *testing.T) {
	overBoth(t, func(r *rig) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		answer, err := r.UnaryCall(ctx, say("deadline"))
		r.NoError(err)
		r.Equal("1m0s", answer.GetUsername())
		begun := time.Now()
		_, err = r.UnaryCall(ctx, say("wait"))
		r.Equal(codes.DeadlineExceeded, status.Code(err))
		r.Equal(time.Minute, time.Since(begun).Round(time.Second))
		r.Error(<-r.ended)

		ctx, cancel = context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		_, err = r.UnaryCall(ctx, say("wait"))
		r.Equal(codes.Canceled, status.Code(err))
		r.ErrorIs(<-r.ended, context.Canceled)
		_, err = r.UnaryCall(ctx, say("echo"))
		r.Equal(codes.Canceled, status.Code(err))
	})
}

func TestConn_CarriesStreams(t *testing.T) {
	overBoth(t, func(r *rig) {
		out, err := r.StreamingOutputCall(context.Background(), sizes(1, 2, 3))
		r.NoError(err)
		for n := range 3 {
			answer, err := out.Recv()
			r.NoError(err)
			r.Len(answer.GetPayload().GetBody(), n+1)
		}
		_, err = out.Recv()
		r.ErrorIs(err, io.EOF)

		in, err := r.StreamingInputCall(context.Background())
		r.NoError(err)
		for range 3 {
			r.NoError(in.Send(&testgrpc.StreamingInputCallRequest{Payload: &testgrpc.Payload{Body: []byte("four")}}))
		}
		sum, err := in.CloseAndRecv()
		r.NoError(err)
		r.EqualValues(12, sum.GetAggregatedPayloadSize())

		talk, err := r.FullDuplexCall(context.Background())
		r.NoError(err)
		for _, word := range []string{"a", "b"} {
			r.NoError(talk.Send(&testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: []byte(word)}}))
			answer, err := talk.Recv()
			r.NoError(err)
			r.Equal(word, string(answer.GetPayload().GetBody()))
		}
		r.NoError(talk.CloseSend())
		_, err = talk.Recv()
		r.ErrorIs(err, io.EOF)
	})
}

func sizes(all ...int32) *testgrpc.StreamingOutputCallRequest {
	r := &testgrpc.StreamingOutputCallRequest{}
	for _, n := range all {
		r.ResponseParameters = append(r.ResponseParameters, &testgrpc.ResponseParameters{Size: n})
	}
	return r
}

func TestConn_EndsStreams(t *testing.T) {
	overBoth(t, func(r *rig) {
		talk, err := r.FullDuplexCall(context.Background())
		r.NoError(err)
		r.NoError(talk.Send(&testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: []byte("fail")}}))
		_, err = talk.Recv()
		r.Equal(codes.Aborted, status.Code(err))
		synctest.Wait()
		r.ErrorIs(talk.Send(&testgrpc.StreamingOutputCallRequest{}), io.EOF)

		ctx, cancel := context.WithCancel(context.Background())
		talk, err = r.FullDuplexCall(ctx)
		r.NoError(err)
		r.NoError(talk.Send(&testgrpc.StreamingOutputCallRequest{}))
		_, err = talk.Recv()
		r.NoError(err)
		cancel()
		r.Equal(codes.Canceled, status.Code(<-r.ended))
		_, err = talk.Recv()
		r.Equal(codes.Canceled, status.Code(err))
	})
}

func TestConn_LetsAFastHandlerWaitForASlowClient(t *testing.T) {
	overBoth(t, func(r *rig) {
		many := make([]int32, 1000)
		for i := range many {
			many[i] = 4 << 10
		}
		ctx, cancel := context.WithCancel(context.Background())
		_, err := r.StreamingOutputCall(ctx, sizes(many...))
		r.NoError(err)
		synctest.Wait()
		select {
		case err := <-r.ended:
			r.Fail("the handler went on", "%v", err)
		default:
		}
		cancel()
		r.Equal(codes.Canceled, status.Code(<-r.ended))
	})
}

func TestServer_EndsCallsWhenItCloses(t *testing.T) {
	overBoth(t, func(r *rig) {
		time.AfterFunc(time.Second, r.hangUp)
		_, err := r.UnaryCall(context.Background(), say("wait"))
		r.Equal(codes.Unavailable, status.Code(err))
		r.ErrorIs(<-r.ended, context.Canceled)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = r.UnaryCall(ctx, say("echo"))
		r.Equal(codes.Unavailable, status.Code(err))
	})
}

func TestConn_ConnectsAnewAfterItsConnectionEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		accepted, gone := 0, 0
		server := inproc.NewServer(inproc.Options{Accept: func(hangUp func()) inproc.Peer {
			if accepted++; accepted == 1 {
				time.AfterFunc(time.Second, hangUp)
			}
			return inproc.Peer{Gone: func() { gone++ }}
		}})
		defer server.Close()
		s := &stub{served: newServed()}
		testgrpc.RegisterTestServiceServer(server, s)
		conn := server.Conn()
		c := testgrpc.NewTestServiceClient(conn)
		_, err := c.UnaryCall(t.Context(), say("wait"))
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.Error(t, <-s.ended)
		_, err = c.UnaryCall(t.Context(), say("echo"))
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, 2, accepted)
		require.Equal(t, 1, gone)
		require.NoError(t, conn.Close())
		require.Equal(t, 2, gone)
		_, err = c.UnaryCall(t.Context(), say("echo"))
		require.Equal(t, codes.Canceled, status.Code(err))
	})
}

func TestServer_PausesMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := inproc.NewServer(inproc.Options{Accept: func(func()) inproc.Peer {
			return inproc.Peer{Pause: func(done <-chan struct{}) {
				select {
				case <-time.After(time.Minute):
				case <-done:
				}
			}}
		}})
		defer server.Close()
		testgrpc.RegisterTestServiceServer(server, &stub{})
		c := testgrpc.NewTestServiceClient(server.Conn())
		begun := time.Now()
		_, err := c.UnaryCall(t.Context(), say("echo"))
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(begun), 2*time.Minute, "there and back")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.UnaryCall(ctx, say("echo"))
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	})
}

func TestServer_CallsInterceptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		around := func(name string) grpc.UnaryServerInterceptor {
			return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
				seen = append(seen, name+info.FullMethod)
				return handle(ctx, request)
			}
		}
		server := inproc.NewServer(inproc.Options{
			Unary: inproc.ChainUnary(around("1"), around("2")),
			Stream: func(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
				seen = append(seen, "3"+info.FullMethod)
				return handle(srv, s)
			},
		})
		defer server.Close()
		testgrpc.RegisterTestServiceServer(server, &stub{})
		c := testgrpc.NewTestServiceClient(server.Conn())
		_, err := c.UnaryCall(t.Context(), say("echo"))
		require.NoError(t, err)
		out, err := c.StreamingOutputCall(t.Context(), sizes())
		require.NoError(t, err)
		_, err = out.Recv()
		require.ErrorIs(t, err, io.EOF)
		const service = "/grpc.testing.TestService/"
		require.Equal(t, []string{"1" + service + "UnaryCall", "2" + service + "UnaryCall", "3" + service + "StreamingOutputCall"}, seen)
	})
}
