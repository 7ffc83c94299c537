// Package statetest is the conformance test of stores: [Run] demands of a store what package state
// promises of each. Authors of stores run it in their own tests.
//
//	func TestStore_KeepsTheContract(t *testing.T) {
//		statetest.Run(t, statetest.Store{
//			Open: func(t *testing.T) state.Store { return state.NewMemory() },
//		})
//	}
//
// [RunCrashes] is for stores that outlive a crash.
package statetest
