package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/rocketflow-io/rocketflow/broker"
)

// addUser adds a user who may do everything. Where others see the command lines of this machine, -users
// keeps the secret from them.
func (f *brokerFlags) addUser(text string) error {
	name, secret, found := strings.Cut(text, ":")
	if !found || name == "" || secret == "" {
		return errors.New("must be NAME:SECRET") // without saying what it was
	}
	f.addUsers(broker.User{Name: name, Secret: secret, Super: true})
	return nil
}

func (f *brokerFlags) addUsers(users ...broker.User) {
	if f.options.ACL == nil {
		f.options.ACL = &broker.ACL{}
	}
	f.options.ACL.Users = append(f.options.ACL.Users, users...)
}

// A user is one of a file of users; see [broker.User] and [broker.Policy].
type user struct {
	Name     string   `json:"name"`
	Secret   string   `json:"secret"`
	Super    bool     `json:"super"`
	Disabled bool     `json:"disabled"`
	Policies []policy `json:"policies"`
}

type policy struct {
	Resource string                `json:"resource"`
	Actions  []broker.PolicyAction `json:"actions"`
	Deny     bool                  `json:"deny"`
	Sources  []string              `json:"sources"`
}

// readUsers reads a file of users. It fails for a field that there is not.
func readUsers(name string) (users []broker.User, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var found []user
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&found); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, u := range found {
		known := broker.User{Name: u.Name, Secret: u.Secret, Super: u.Super, Disabled: u.Disabled}
		for _, p := range u.Policies {
			known.Policies = append(known.Policies, broker.Policy(p))
		}
		users = append(users, known)
	}
	return users, nil
}
