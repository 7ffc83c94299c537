// Package mutants proves the tests: it plants a defect in a copy of the code, one at a time, and demands
// that the test which the defect names fails.
//
// A mutant is a patch, in this directory, that compiles. What stands before it says what it is:
//
//	Group: engine
//	Defect: a sink's values are acknowledged before they are written
//	Killed-by: test:./sim TestSimulation -seeds 300 -first
//
// Group is the part of the code that has the defect. Killed-by names the package, after a colon behind the
// directory of its module if that is not the root, the test, and the flags that it is given. The test
// must pass without the mutant. The tests of PostgreSQL are given one; where there is none, their mutants are
// left out, and the output says so.
//
// It takes minutes to build some of the programs of tests, so all mutants whose tests are in one are built into
// it together: beside each function that they change stand copies with their changes, and a variable of the
// environment says which of them is called. A mutant that changes more than what functions do has a build of
// its own.
//
// The simulation runs on a seeded runtime (package seeded): a seed of it that fails is run again, and has to
// break the same rule.
package mutants
