package interop

// nodeClient is rocketmq-client-nodejs.
func nodeClient() Language {
	return Language{
		Name: "node",
		Build: func(p Paths) [][]string {
			// A program looks for its modules beside itself, so the programs are copied too.
			return [][]string{
				{"cp", "-R", ".", p.Out},
				{"npm", "ci", "--prefix", p.Out, "--ignore-scripts", "--no-audit", "--no-fund"},
			}
		},
		Run: func(p Paths, name string) []string { return []string{"node", p.out(name + ".js")} },
		Skip: map[string]string{
			"fifo-retry": "the client does not know the server's backoff, and takes the message for dead at its first failure",
			"tls":        "over TLS, which is not its default, the client trusts known authorities only",
		},
	}
}
