package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"path"
	"strconv"
	"strings"

	"github.com/rocketflow-io/rocketflow/broker"
)

// brokerFlags are those of "rocketflow broker".
type brokerFlags struct {
	host, advertise string
	port            int
	status          string
	certFile        string
	keyFile         string
	usersFile       string
	exposed         bool
	verbose         bool
	options         broker.Options
}

// parseBroker reads the command line, and checks what can be checked before anything has begun.
func parseBroker(args []string, errOut io.Writer) (*brokerFlags, error) {
	f := &brokerFlags{options: broker.Options{AutoCreate: true}}
	set := flag.NewFlagSet("rocketflow broker", flag.ContinueOnError)
	set.SetOutput(errOut)
	set.StringVar(&f.host, "host", "127.0.0.1", "the address to listen on; other than loopback wants -tls-cert or -allow-plaintext")
	set.IntVar(&f.port, "port", 8081, "the `port` to listen on; 0 for a free one")
	set.StringVar(&f.advertise, "advertise", "", "the `host:port` that clients are told, if they reach this one by another")
	set.StringVar(&f.status, "status", "127.0.0.1:8082", "the `host:port` of the status page; empty for none")
	set.StringVar(&f.certFile, "tls-cert", "", "a PEM `file` with the certificate; plaintext is refused then")
	set.StringVar(&f.keyFile, "tls-key", "", "a PEM `file` with its key")
	set.BoolVar(&f.exposed, "allow-plaintext", false, "listen on other addresses than loopback without TLS, for everybody there")
	set.BoolVar(&f.verbose, "v", false, "log to standard error what an operator would want to know")
	o := &f.options
	set.BoolVar(&o.AutoCreate, "auto-create", o.AutoCreate, "let topics and groups come into being when a client first names them")
	set.BoolVar(&o.Recall, "recall", true, "let producers take back delayed messages")
	set.IntVar(&o.Retain, "retain", 0, "keep about so many `messages` of a queue, and drop older ones that have been read; 0 keeps all")
	set.Func("topic", "create the topic `NAME[:TYPE[:QUEUES]]`, of type NORMAL with 8 queues if unsaid; may be repeated", f.addTopic)
	set.StringVar(&o.Dir, "dir", "", "the `directory` to keep all in, for the next broker that is started there; empty keeps it in memory")
	set.DurationVar(&o.SyncEvery, "sync-every", 0, "with -dir, write to the disk this long after an answer; 0 writes before it")
	set.BoolVar(&o.Pull, "pull", false, "answer pull consumers, which the server does not")
	set.Func("quirk", "have a defect of the server, by its `NAME`, or all of a mode: local, cluster; may be repeated", f.addQuirk)
	set.Func("fifo-group", "with -auto-create, make ordered the groups of this `NAME`, or like *-fifo; may be repeated", f.addFIFOGroup)
	set.Func("user", "serve only users, such as this one who may do everything: `NAME:SECRET`; may be repeated", f.addUser)
	set.StringVar(&f.usersFile, "users", "", "serve only users, those of a JSON `file`: [{\"name\", \"secret\", \"policies\": [{\"resource\", \"actions\"}]}]")
	set.Func("group", "create the consumer group `NAME[:ordered]`; may be repeated", f.addGroup)
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, &usageError{err} // the flag set has said it already, with all flags
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("rocketflow broker: %q is no flag: %w", set.Arg(0), errUsage)
	}
	return f, f.complete()
}

// A usageError is one that has been printed.
type usageError struct{ error }

// Is says that it is the fault of the command line.
func (usageError) Is(target error) bool { return target == errUsage }

// complete makes the options of the flags.
func (f *brokerFlags) complete() error {
	o := &f.options
	if f.port < 0 || f.port > 65535 {
		return fmt.Errorf("rocketflow broker: -port %d: must be between 0 and 65535: %w", f.port, errUsage)
	}
	o.Addr = net.JoinHostPort(f.host, strconv.Itoa(f.port))
	o.Advertise = f.advertise
	if (f.certFile == "") != (f.keyFile == "") {
		return fmt.Errorf("rocketflow broker: -tls-cert and -tls-key go together: %w", errUsage)
	}
	if f.certFile != "" {
		pair, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
		if err != nil {
			return fmt.Errorf("rocketflow broker: -tls-cert %s, -tls-key %s: %w", f.certFile, f.keyFile, err)
		}
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		o.TLSOnly = true
	}
	if !o.TLSOnly && !f.exposed && !isLoopback(f.host) {
		return fmt.Errorf("rocketflow broker: -host %q would be open to others, in plaintext: "+
			"give -tls-cert and -tls-key, or -allow-plaintext: %w", f.host, errUsage)
	}
	if f.usersFile != "" {
		users, err := readUsers(f.usersFile)
		if err != nil {
			return fmt.Errorf("rocketflow broker: -users: %w", err)
		}
		f.addUsers(users...)
	}
	return f.checkStatus()
}

// checkStatus keeps the page, which has no TLS, to this machine.
func (f *brokerFlags) checkStatus() error {
	if f.status == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(f.status)
	if err != nil {
		return fmt.Errorf("rocketflow broker: -status %q: %w: name a host and a port: %w", f.status, err, errUsage)
	}
	if !f.exposed && !isLoopback(host) {
		return fmt.Errorf("rocketflow broker: -status %q would be open to others, in plaintext: "+
			"give -allow-plaintext if that is meant: %w", f.status, errUsage)
	}
	return nil
}

// isLoopback says whether only this machine reaches an address.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func (f *brokerFlags) addTopic(text string) error {
	parts := strings.Split(text, ":")
	if len(parts) > 3 {
		return errors.New("has more than NAME:TYPE:QUEUES")
	}
	t := broker.Topic{Name: parts[0]}
	if len(parts) > 1 {
		kind, err := typeNamed(parts[1])
		if err != nil {
			return err
		}
		t.Type = kind
	}
	if len(parts) > 2 {
		n, err := strconv.Atoi(parts[2])
		if err != nil || n < 1 {
			return fmt.Errorf("has %q queues: must be a number from 1 on", parts[2])
		}
		t.Queues = n
	}
	f.options.Topics = append(f.options.Topics, t)
	return nil
}

// typeNamed finds a type of topics by the server's name.
func typeNamed(name string) (broker.MessageType, error) {
	var names []string
	for kind := broker.Normal; kind <= broker.Any; kind++ {
		if strings.EqualFold(name, kind.String()) {
			return kind, nil
		}
		names = append(names, kind.String())
	}
	return 0, fmt.Errorf("has type %q: must be one of %s", name, strings.Join(names, ", "))
}

func (f *brokerFlags) addGroup(text string) error {
	name, kind, _ := strings.Cut(text, ":")
	if kind = cmp.Or(kind, "shared"); kind != "ordered" && kind != "shared" {
		return fmt.Errorf("is %q: must be \"ordered\", or nothing", kind)
	}
	f.options.Groups = append(f.options.Groups, broker.Group{Name: name, Ordered: kind == "ordered"})
	return nil
}

// addQuirk leaves it to the broker to know the names.
func (f *brokerFlags) addQuirk(name string) error {
	switch name {
	case "local":
		f.options.Quirks = append(f.options.Quirks, broker.LocalQuirks()...)
	case "cluster":
		f.options.Quirks = append(f.options.Quirks, broker.ClusterQuirks()...)
	default:
		f.options.Quirks = append(f.options.Quirks, broker.Quirk(name))
	}
	return nil
}

func (f *brokerFlags) addFIFOGroup(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil {
		return err
	}
	f.options.FIFOGroups = append(f.options.FIFOGroups, pattern)
	return nil
}
