package interop

import "path/filepath"

// pythonClient is rocketmq-python-client, in a virtual environment of its own.
func pythonClient() Language {
	return Language{
		Name: "python",
		Build: func(p Paths) [][]string {
			return [][]string{
				{"python3", "-m", "venv", p.Out},
				{p.out("bin", "pip"), "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"},
			}
		},
		Run: func(p Paths, name string) []string {
			// -B: nothing compiled is written beside the sources.
			return []string{p.out("bin", "python"), "-B", filepath.Join(p.Source, name+".py")}
		},
		Skip: map[string]string{
			"fifo-retry": "the client repeats the message, in order, and does not count the attempt",
			"tls":        "over TLS, which is not its default, the client trusts known authorities only",
		},
	}
}
