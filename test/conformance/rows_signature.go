package conformance

import (
	"io"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func signatureRows() []Row {
	return []Row{
		{"AU1", "a request without a good signature of a user is UNAUTHORIZED, in words that say what is amiss", Equal, unsigned},
		{"AU1b", "scheme, region, capitals, the order and the age of a signature do not matter", Equal, signed},
		{"AU2", "settings without a signature are UNAUTHORIZED in band, and then the stream ends", Equal, func(e *Env) {
			stream, err := e.Client().Telemetry(settingsCommand(producerSettings(e.Topic("NORMAL", 1))))
			require.NoError(e, err)
			command, err := stream.Recv()
			require.NoError(e, err)
			e.requireUnauthorized(command.GetStatus(), "username cannot be null.")
			require.Nil(e, command.GetCommand())
			_, err = stream.Recv()
			require.ErrorIs(e, err, io.EOF)
		}},
		{"AU3", "a disabled user is UNAUTHORIZED", Equal, func(e *Env) {
			c, name := e.UserLike(target.User{Disabled: true, Policies: []target.Policy{allow("*", "All")}})
			e.requireUnauthorized(c.Route(e.Topic("NORMAL", 1)).GetStatus(), "User:"+name+" is disabled.")
		}},
		{"AU4", "who asks is looked at before the client id, and before what is asked for", Equal, func(e *Env) {
			c := e.Client()
			c.id = ""
			e.requireUnauthorized(c.Route("a b").GetStatus(), "username cannot be null.")
			c, _ = e.User(allow("*", "All"))
			c.id = ""
			require.Equal(e, v2.Code_CLIENT_ID_REQUIRED, c.Route("a b").GetStatus().GetCode())
		}},
		{"AU5", "settings of neither a producer nor a consumer are an INTERNAL_SERVER_ERROR in band", Equal, func(e *Env) {
			c, _ := e.User(allow("*", "All"))
			stream, err := c.Telemetry(settingsCommand(&v2.Settings{ClientType: v2.ClientType_PRODUCER.Enum()}))
			require.NoError(e, err)
			command, err := stream.Recv()
			require.NoError(e, err)
			require.Equal(e, v2.Code_INTERNAL_SERVER_ERROR, command.GetStatus().GetCode())
			_, err = stream.Recv()
			require.ErrorIs(e, err, io.EOF)
		}},
	}
}

func unsigned(e *Env) {
	c, name := e.User(allow("*", "All"))
	topic, good, nobody := e.Topic("NORMAL", 1), signatureOf(secret), e.Name("nobody")
	for header, words := range map[string]string{
		"":                                 "username cannot be null.",
		"MQv2-HMAC-SHA1":                   "authentication header is incorrect.",
		"MQv2-HMAC-SHA1 Credential":        "authentication keyValues length is incorrect, actual length=1.",
		"MQv2-HMAC-SHA1 Signature=" + good: "username cannot be null.",
		"MQv2-HMAC-SHA1 Credential=/x, Signature=" + good:                       "username cannot be null.",
		"MQv2-HMAC-SHA1 Credential=/, Signature=" + good:                        "authentication credential length is incorrect, actual length=0.",
		"MQv2-HMAC-SHA1 Credential=" + nobody + ", Signature=xyz":               "create authentication context error.",
		"MQv2-HMAC-SHA1 Credential=" + nobody + ", Signature=" + good:           "User:" + nobody + " is not found.",
		"MQv2-HMAC-SHA1 Credential=" + name:                                     "check signature failed.",
		"MQv2-HMAC-SHA1 Credential=" + name + ", Signature=" + signatureOf("x"): "check signature failed.",
	} {
		c.sign(header)
		e.requireUnauthorized(c.Route(topic).GetStatus(), words, header)
	}
	c.sign("MQv2-HMAC-SHA1 Credential=" + name + ", Signature=" + good)
	delete(c.signed, dateHeader)
	e.requireUnauthorized(c.Route(topic).GetStatus(), "datetime is null.")
	c.signed[dateHeader] = "20260102T030405Z"
	e.requireUnauthorized(c.Route(topic).GetStatus(), "check signature failed.")
}

func signed(e *Env) {
	c, name := e.User(allow("*", "All"))
	topic, good := e.Topic("NORMAL", 1), signatureOf(secret)
	for _, header := range []string{
		"MQv2-HMAC-SHA1 Credential=" + name + "/region/service, SignedHeaders=x-mq-date-time, Signature=" + good,
		"Basic Signature=" + good + ",Credential=" + name,
		"MQv2-HMAC-SHA1 Credential=" + name + ",Signature=" + strings.ToLower(good),
	} {
		c.sign(header)
		require.Equal(e, v2.Code_OK, c.Route(topic).GetStatus().GetCode(), header)
	}
}
