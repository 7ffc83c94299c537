package interop

// rustClient is the crate rocketmq.
func rustClient() Language {
	return Language{
		Name:  "rust",
		Build: func(p Paths) [][]string { return [][]string{{"cargo", "build", "--locked", "--target-dir", p.Out}} },
		Run:   func(p Paths, name string) []string { return []string{p.out("debug", name)} },
		Skip: map[string]string{
			"simple":     "the client cannot change an invisible duration",
			"push":       "the client has no PushConsumer",
			"fifo-retry": "the client has no PushConsumer",
			"recall":     "the client cannot recall",
			"priority":   "the client knows no priority",
			"lite":       "the client knows no lite topics",
			"tls":        "the client has a setting for TLS, and does not act on it",
		},
	}
}
