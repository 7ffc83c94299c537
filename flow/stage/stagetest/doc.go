// Package stagetest checks that a source or a sink keeps the contract of package stage. A connector's
// author calls [Source] or [Sink] from a test, with a function that makes what is to be tested:
//
//	func TestSource_KeepsTheContract(t *testing.T) {
//		stagetest.Source(t, func(t *testing.T) stagetest.SourceSetup[string] {
//			return stagetest.SourceSetup[string]{
//				Source: mysource.New(serverWith(t, "a", "b", "c", "d")),
//				Values: []string{"a", "b", "c", "d"},
//			}
//		})
//	}
//
// Each rule is a subtest with a setup of its own, named by what is promised. What a source or a sink
// says of itself in its traits decides which rules apply: a source that does not redeliver is not
// asked to. A rule that a system cannot keep is left out by [Without], with the reason, and shows in
// the output as skipped.
//
// A subtest fails if it leaves a goroutine behind.
package stagetest
