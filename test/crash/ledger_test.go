package crash

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLedger_FindsWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		do    func(l *ledger, first, second letter)
		wrong string
		want  Report
	}{
		"nothing": {
			do: func(l *ledger, first, second letter) {
				l.received(fifoGroup, first, 1)
				l.acking(fifoGroup, first)
				l.received(fifoGroup, first, 2) // the acknowledgement got lost
				l.received(fifoGroup, second, 1)
				l.acked(fifoGroup, first)
			},
			want: Report{Sent: 1, Unanswered: 1, Found: 1, Received: 3, Acked: 1, Again: 1},
		},
		"a message that was never sent": {
			do:    func(l *ledger, first, _ letter) { l.received(fifoGroup, letter{first.sequence, 7}, 1) },
			wrong: "was never sent",
			want:  Report{Sent: 1, Unanswered: 1},
		},
		"one that was acknowledged": {
			do: func(l *ledger, first, _ letter) {
				l.received(fifoGroup, first, 1)
				l.acking(fifoGroup, first)
				l.acked(fifoGroup, first)
				l.received(fifoGroup, first, 2)
			},
			wrong: "has acknowledged it",
			want:  Report{Sent: 1, Unanswered: 1, Received: 2, Acked: 1, Returned: 1},
		},
		"one that was sent before another": {
			do: func(l *ledger, first, second letter) {
				l.received(fifoGroup, second, 1)
				l.received(fifoGroup, first, 1)
			},
			wrong: "for the first time after",
			want:  Report{Sent: 1, Unanswered: 1, Found: 1, Received: 2, Disordered: 1},
		},
		"an attempt that was made before": {
			do: func(l *ledger, first, _ letter) {
				l.received(fifoGroup, first, 2)
				l.received(fifoGroup, first, 1)
			},
			wrong: "as attempt 1 after attempt 2",
			want:  Report{Sent: 1, Unanswered: 1, Received: 2, Disordered: 1},
		},
		"one that is not received": {
			do:    func(l *ledger, _, _ letter) { l.lost(l.missing()) },
			wrong: "lost: {0 0} for group",
			want:  Report{Sent: 1, Unanswered: 1, Lost: 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(readers())
			sequence := l.sequence(ordered)
			first, second := l.sending(sequence), l.sending(sequence)
			l.sent(first, nil)
			l.sent(second, errors.New("no answer"))
			test.do(l, first, second)
			require.Equal(t, test.want, l.report())
			if test.wrong == "" {
				require.NoError(t, l.problems())
				return
			}
			require.ErrorContains(t, l.problems(), test.wrong)
		})
	}
}
