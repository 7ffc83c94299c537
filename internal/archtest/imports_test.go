// Package archtest holds the module to its layout.
package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/rocketflow-io/rocketflow"

// rules says what of the module a package may import, without its tests. Imports point one way. A
// path that ends in /... stands for a package and all below it.
func rules() map[string][]string {
	client := []string{"client/...", "internal/pacing"}
	return map[string][]string{
		"flow/stage":           nil,
		"flow/stage/stagetest": {"flow/stage"},
		"internal/pacing":      nil,
		"internal/engine":      {"flow/stage", "internal/pacing"},
		"internal/randpipe":    {"flow", "flow/stage", "operators", "state"},
		"internal/windowmodel": {"flow", "flow/stage", "internal/randpipe", "state"},
		"operators":            {"flow/stage", "internal/engine", "state"},
		"flow":                 {"flow/stage", "operators", "internal/engine", "state"},
		"flow/flowtest":        {"flow/...", "sources", "sinks", "broker/...", "client/...", "state/...", "operators"},
		"flow/gostreams":       {"flow", "flow/stage", "operators", "sources", "sinks", "client", "internal/pacing"},
		"state/...":            {"flow/stage", "state/..."},
		"sources/...":          {"flow/stage", "client", "internal/pacing"},
		"sinks/...":            {"flow/stage", "client", "state"},
		"client/...":           client,
		"broker/...":           {"broker/...", "internal/pacing"},
		"cmd/rocketflow":       {"broker"},
	}
}

// outside says which packages alone may import something from outside the module.
func outside() map[string][]string {
	return map[string][]string{
		"github.com/reugn/go-streams": {"flow/gostreams"},
		"github.com/sony/gobreaker":   {"operators"},
		"google.golang.org/grpc":      {"client/...", "broker/..."},
		"go.opentelemetry.io/otel":    {"client"},
		"testing":                     {"flow/stage/stagetest", "flow/flowtest", "broker/brokertest", "state/statetest"},
		"github.com/stretchr/testify": {"flow/stage/stagetest", "flow/flowtest", "broker/brokertest", "state/statetest"},
		"go.uber.org/goleak":          {"flow/stage/stagetest", "flow/flowtest", "broker/brokertest", "state/statetest"},
		"github.com/apache/rocketmq-clients/golang/v5/protocol/v2": {"client/...", "broker/..."},
	}
}

func TestImports_PointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			if own, ok := within(imported, module); ok {
				require.True(t, mayImport(p.name, own), "%s imports %s", p.name, own)
				continue
			}
			for from, only := range outside() {
				if _, ok := within(imported, from); ok {
					require.True(t, matches(only, p.name), "%s imports %s", p.name, imported)
				}
			}
		}
	}
}

func TestImports_LeaveTheOfficialClientAlone(t *testing.T) {
	const official = "github.com/apache/rocketmq-clients/golang/v5"
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			if _, ok := within(imported, official); ok {
				require.Equal(t, path.Join(official, "protocol/v2"), imported, "in %s: users have the official client in the same program", p.name)
			}
		}
	}
}

// mayImport applies the most exact rule for a package.
func mayImport(name, imported string) bool {
	all := rules()
	if only, ok := all[name]; ok {
		return matches(only, imported)
	}
	for pattern, only := range all {
		if matches([]string{pattern}, name) {
			return matches(only, imported)
		}
	}
	return false
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		root, all := strings.CutSuffix(p, "/...")
		return name == root || all && strings.HasPrefix(name, root+"/")
	})
}

// within tells whether a package is root or below it, and what it is called there.
func within(name, root string) (string, bool) {
	if name == root {
		return "", true
	}
	return strings.CutPrefix(name, root+"/")
}

type pkg struct {
	ImportPath string
	Imports    []string
	name       string
}

// packages lists the module's packages with what they import, tests left out.
func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", module+"/...")
	out, err := cmd.Output()
	require.NoError(t, err)
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			require.NotEmpty(t, all)
			return all
		}
		require.NoError(t, err)
		p.name, _ = within(p.ImportPath, module)
		all = append(all, p)
	}
}
