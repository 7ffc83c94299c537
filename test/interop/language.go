package interop

import (
	"path/filepath"
	"strings"
	"unicode"
)

// A Language is an official client and the commands that make and run its programs.
type Language struct {
	// Name is also that of the folder with the programs, beside this file.
	Name string
	// Build makes the programs. The commands run one after the other in the folder of the sources.
	Build func(Paths) [][]string
	// Run is the command of the program of a case.
	Run func(p Paths, name string) []string
	// Skip tells by the name of a case why the client cannot do it.
	Skip map[string]string
}

// Paths are the folders of a language, absolute.
type Paths struct {
	Source string // with the programs' sources; nothing is written there
	Out    string // where Build puts what it makes; it is there and may hold what an earlier run made
	Home   string // of one program, for the logs of its client; empty for Build
}

func (p Paths) out(elements ...string) string {
	return filepath.Join(append([]string{p.Out}, elements...)...)
}

// Languages returns all languages.
func Languages() []Language {
	return []Language{javaClient(), goClient(), pythonClient(), nodeClient(), rustClient()}
}

// goClient is github.com/apache/rocketmq-clients/golang/v5.
func goClient() Language {
	return Language{
		Name:  "go",
		Build: func(p Paths) [][]string { return [][]string{{"go", "build", "-o", p.Out, "./..."}} },
		Run:   func(p Paths, name string) []string { return []string{p.out(name)} },
		Skip: map[string]string{
			"fifo-retry": "the client goes on with the next message of a group before it repeats the one that failed",
		},
	}
}

// javaClient is org.apache.rocketmq:rocketmq-client-java.
func javaClient() Language {
	return Language{
		Name: "java",
		Build: func(p Paths) [][]string {
			return [][]string{{"mvn", "-B", "-q", "-Dout=" + p.Out, "-DoutputDirectory=" + p.out("lib"),
				"compile", "dependency:copy-dependencies"}}
		},
		Run: func(p Paths, name string) []string {
			path := p.out("classes") + string(filepath.ListSeparator) + p.out("lib", "*")
			return []string{"java", "-Duser.home=" + p.Home, "-cp", path, "interop." + camel(name)}
		},
	}
}

// camel turns the name of a case into that of a class: filter-tag into FilterTag.
func camel(name string) string {
	upper := true
	return strings.Map(func(r rune) rune {
		if r == '-' {
			upper = true
			return -1
		}
		if upper {
			upper = false
			return unicode.ToUpper(r)
		}
		return r
	}, name)
}
