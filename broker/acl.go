package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
)

// ACL closes a broker to all but its users, as the server's ACL 2.0 does. A request is answered if
// it is signed with the secret of a user, and the user's policies allow what it asks for. Any other
// is refused with UNAUTHORIZED, whether the topic that it names exists or not.
//
// The signature covers the time that the client wrote, and nothing else of the request; how old
// that time is does not matter. Both is so on the server too.
type ACL struct {
	// Users are those that exist from the start. Without any nobody gets an answer, until
	// [Broker.SetUser].
	Users []User
}

// User is who may use a broker that has an [ACL]. Name and Secret are required.
type User struct {
	Name     string // the access key
	Secret   string // what requests are signed with
	Super    bool   // may do everything: policies are not asked
	Disabled bool   // may do nothing
	Policies []Policy
}

// String gives the server's word for the user, such as "User:alice". It does not tell the secret.
func (u User) String() string { return "User:" + u.Name }

// GoString does not tell the secret either.
func (u User) GoString() string { return u.String() }

// LogValue keeps the secret from handlers that would write all fields.
func (u User) LogValue() slog.Value { return slog.StringValue(u.String()) }

// Policy allows, or denies, a user something. Of the policies that apply to what a request asks for
// the most specific one decides: that for a name, else that for the longest prefix, else that for
// all topics or all groups, else that for everything. Where none applies, the request is refused.
type Policy struct {
	// Resource is what the policy is about, written as on the server: "Topic:orders",
	// "Group:billing"; "Topic:order*", all topics whose names begin so; "Group:*"; or "*", all
	// topics and all groups. A user may have one policy for each.
	Resource string

	// Actions are those that it applies to: at least one.
	Actions []PolicyAction

	// Deny forbids the actions. A policy that does not allows them.
	Deny bool

	// Sources are the addresses ("10.0.0.7") and networks ("10.0.0.0/8") of clients that it
	// applies to: all, if empty. Clients of a broker in memory are at 127.0.0.1.
	Sources []string
}

// PolicyAction is what a request does to a topic or a group, by the server's name for it.
type PolicyAction string

const (
	// Publish is to send to a topic, to recall a message, and to end a transaction.
	Publish PolicyAction = "Pub"
	// Subscribe is all that a consumer does, for which it needs its group and the topic.
	Subscribe PolicyAction = "Sub"
	// AllActions is both.
	AllActions PolicyAction = "All"
)

// ErrNoACL is why a broker that was started without [Options].ACL has no users.
var ErrNoACL = errors.New("broker: no ACL: set one in the options")

// An acl is the users of a broker.
type acl struct {
	mu    sync.RWMutex // guards users
	users map[string]*account
}

// An account is a user with its policies made ready. It never changes.
type account struct {
	User
	rules []rule // the most specific first
}

// newACL gives nil if the broker is to be open to all.
func newACL(cfg *ACL) (*acl, error) {
	if cfg == nil {
		return nil, nil
	}
	a := &acl{users: make(map[string]*account, len(cfg.Users))}
	var errs []error
	for _, u := range cfg.Users {
		if _, taken := a.users[u.Name]; taken {
			errs = append(errs, fmt.Errorf("%w: user %q", ErrExists, u.Name))
			continue
		}
		errs = append(errs, a.set(u))
	}
	return a, errors.Join(errs...)
}

func (a *acl) set(u User) error {
	account, err := newAccount(u)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.users[u.Name] = account
	return nil
}

func (a *acl) remove(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.users[name]
	delete(a.users, name)
	return ok
}

func (a *acl) user(name string) (*account, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	u, ok := a.users[name]
	return u, ok
}

func newAccount(u User) (*account, error) {
	switch {
	case isBlank(u.Name) || strings.ContainsAny(u.Name, "/,") || hasControl(u.Name):
		return nil, &ConfigError{"user", u.Name, "the name is sent in a header: it must not be blank, nor have a slash, a comma or a control character"}
	case isBlank(u.Secret):
		return nil, &ConfigError{"user", u.Name, "the secret must not be blank"}
	}
	rules, err := rulesOf(u.Policies)
	if err != nil {
		return nil, &ConfigError{"user", u.Name, err.Error()}
	}
	u.Policies = clonePolicies(u.Policies)
	return &account{User: u, rules: rules}, nil
}

func clonePolicies(policies []Policy) []Policy {
	all := slices.Clone(policies)
	for i := range all {
		all[i].Actions = slices.Clone(all[i].Actions)
		all[i].Sources = slices.Clone(all[i].Sources)
	}
	return all
}

// SetUser adds a user, or replaces the one of that name and all its policies. The next request of
// the user is judged by it; one that is under way, such as a long poll, is not. It fails with a
// [*ConfigError] if the description is at fault, and with [ErrNoACL] if the broker has no ACL.
func (b *Broker) SetUser(u User) error {
	if b.acl == nil {
		return ErrNoACL
	}
	return b.acl.set(u)
}

// RemoveUser removes a user: its next request is refused. It fails with [ErrUnknown] if there is no
// such user, and with [ErrNoACL] if the broker has no ACL.
func (b *Broker) RemoveUser(name string) error {
	if b.acl == nil {
		return ErrNoACL
	}
	if !b.acl.remove(name) {
		return fmt.Errorf("%w: user %q", ErrUnknown, name)
	}
	return nil
}

// Users lists all users by name, without their secrets. A broker that has no ACL has none.
func (b *Broker) Users() []User {
	if b.acl == nil {
		return nil
	}
	b.acl.mu.RLock()
	defer b.acl.mu.RUnlock()
	all := make([]User, 0, len(b.acl.users))
	for _, name := range slices.Sorted(maps.Keys(b.acl.users)) {
		u := b.acl.users[name].User
		u.Secret, u.Policies = "", clonePolicies(u.Policies)
		all = append(all, u)
	}
	return all
}
