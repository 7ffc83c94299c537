package sinks

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

func TestDeadLetterFile_WritesWhatFailedAndWhy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead.jsonl")
	run(t, DeadLetterFile(path), []stage.Failure{
		{
			Stage: "parse", Attempt: 1, Info: stage.Info{ID: "f.csv:17", Position: "f.csv:17"},
			Err: &stage.FaultError{Position: "f.csv:17", Raw: []byte("a,\"b\n"), Err: errBroken},
		},
		{Stage: "raw", Err: &stage.FaultError{Raw: []byte{0xff}, Err: errBroken}},
		{
			Stage: "load", Attempt: 3, Err: errBroken, Value: 7, Source: map[string]int{"x": 7},
			Info: stage.Info{Key: "k", Attempt: 2, EventTime: time.Unix(0, 0).UTC()},
		},
		{Stage: "send", Err: errBroken, Source: &client.Message{Topic: "t", Body: []byte("b"), MessageGroup: "g"}},
		{Stage: "bytes", Source: &client.Message{Topic: "t", Body: []byte{0xff}}},
		{Stage: "odd", Source: func() {}},
	})
	lines := strings.Split(contents(t, path), "\n")
	require.Equal(t, []string{
		`{"position":"f.csv:17","id":"f.csv:17","stage":"parse","error":"stage: record at f.csv:17 cannot be decoded: broken","tries":1,"raw":"a,\"b\n"}`,
		`{"stage":"raw","error":"stage: record cannot be decoded: broken","raw_base64":"/w=="}`,
		`{"key":"k","attempt":2,"event_time":"1970-01-01T00:00:00Z","stage":"load","error":"broken","tries":3,"value":{"x":7}}`,
		`{"stage":"send","error":"broken","value":{"topic":"t","message_group":"g","body":"b"}}`,
		`{"stage":"bytes","value":{"topic":"t","body_base64":"/w=="}}`,
	}, lines[:5])
	require.Contains(t, lines[5], `{"stage":"odd","value":"0x`)
}

// A batch that failed is acknowledged with its dead letter, all of it.
func TestDeadLetters_AreOneForEachMemberOfABatch(t *testing.T) {
	failure := stage.Failure{
		Stage: "load", Err: errBroken, Info: stage.Info{ID: "1"},
		Sources: []any{&client.Message{ID: "1", Body: []byte("a")}, &client.Message{ID: "2", Body: []byte("b")}},
	}
	failure.Source = failure.Sources[0]
	t.Run("topic", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			require.NoError(r, openSink(r.T, DeadLetterTopic(r.client, "out")).Write(r.Context(), batch(failure, failure)))
			require.Equal(r, []string{"a", "b", "a", "b"}, bodies(r.broker, "out"))
			require.Equal(r, "2", r.broker.Messages("out")[1].Properties[PropertyMessageID])
		})
	})
	t.Run("file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "dead.jsonl")
		run(t, DeadLetterFile(path), []stage.Failure{failure})
		require.Equal(t, strings.Join([]string{
			`{"id":"1","stage":"load","error":"broken","value":{"topic":"","body":"a"}}`,
			`{"id":"2","stage":"load","error":"broken","value":{"topic":"","body":"b"}}`, "",
		}, "\n"), contents(t, path))
	})
}

func TestDeadLetterTopic_KeepsTheMessageAndAddsTheReason(t *testing.T) {
	m, err := deadLetter(stage.Failure{
		Stage: "parse", Attempt: 2, Err: errors.New("bad\nbody"), Info: stage.Info{ID: "1", TraceContext: "00-x"},
		Source: &client.Message{
			Topic: "flights", Body: []byte("b"), Tag: "t", Keys: []string{"k"}, MessageGroup: "g",
			Properties: map[string]string{"own": "value"},
		},
	})
	require.NoError(t, err)
	require.Equal(t, &client.Message{
		Body: []byte("b"), Tag: "t", Keys: []string{"k"}, TraceContext: "00-x",
		Properties: map[string]string{
			"own": "value", PropertyTopic: "flights", PropertyMessageGroup: "g", PropertyMessageID: "1",
			PropertyStage: "parse", PropertyAttempt: "2", PropertyError: "bad body",
		},
	}, m)
}

func TestDeadLetterTopic_LeavesOutWhatThereIsNoRoomFor(t *testing.T) {
	full := make(map[string]string)
	for i := range maxProperties {
		full[strconv.Itoa(i)] = "v"
	}
	m, err := deadLetter(stage.Failure{Err: errBroken, Source: &client.Message{Body: []byte("b"), Properties: full}})
	require.NoError(t, err)
	require.Equal(t, full, m.Properties)

	long := map[string]string{"long": strings.Repeat("x", maxPropertySize-100)}
	m, err = deadLetter(stage.Failure{
		Stage: "s", Err: errors.New(strings.Repeat("é", maxErrorText)),
		Source: &client.Message{Body: []byte("b"), Properties: long},
	})
	require.NoError(t, err)
	require.Equal(t, long["long"], m.Properties["long"])
	require.Equal(t, "s", m.Properties[PropertyStage])
	require.NotContains(t, m.Properties, PropertyError)
}

func TestDeadLetterTopic_SendsTheTextOfWhatIsNoMessage(t *testing.T) {
	m, err := deadLetter(stage.Failure{Err: &stage.FaultError{Raw: []byte("raw"), Err: errBroken}})
	require.NoError(t, err)
	require.Equal(t, "raw", string(m.Body))
	m, err = deadLetter(stage.Failure{Stage: "s", Source: 7})
	require.NoError(t, err)
	require.JSONEq(t, `{"stage":"s","value":7}`, string(m.Body))
}
