package admin

import (
	"context"
	"encoding/json"
	"fmt"
)

const (
	codeCreateUser = 3001
	codeCreateACL  = 3006
)

// User describes a user to create.
type User struct {
	Name     string // the access key
	Secret   string
	Disabled bool
	Policies []Policy
}

// Policy allows, or denies, a user some actions on a resource.
type Policy struct {
	Resource string   // such as "Topic:orders", "Group:bill*" or "*"
	Actions  []string // Pub, Sub, All
	Deny     bool
	Sources  []string // addresses and networks; none for all
}

// CreateUser creates the user, who must not exist, and the user's policies at a broker. A proxy that
// has looked for the user before takes up to a minute to see the change.
func (c *Client) CreateUser(ctx context.Context, u User) error {
	user := userInfo{Name: u.Name, Password: u.Secret, Type: "Normal", Status: "enable"}
	if u.Disabled {
		user.Status = "disable"
	}
	if err := c.create(ctx, "user", u.Name, codeCreateUser, map[string]string{"username": u.Name}, user); err != nil {
		return err
	}
	if len(u.Policies) == 0 {
		return nil
	}
	subject := "User:" + u.Name
	policies := aclInfo{Subject: subject, Policies: []policyInfo{{Type: "Custom"}}}
	for _, p := range u.Policies {
		policies.Policies[0].Entries = append(policies.Policies[0].Entries, entryOf(p))
	}
	return c.create(ctx, "policies of", u.Name, codeCreateACL, map[string]string{"subject": subject}, policies)
}

// create sends a description with its header.
func (c *Client) create(ctx context.Context, what, name string, code int, header map[string]string, description any) error {
	body, err := json.Marshal(description)
	if err != nil {
		return fmt.Errorf("admin: create %s %q: %w", what, name, err)
	}
	_, err = c.call(ctx, "create "+what, name, command{Code: code, ExtFields: header, body: body})
	return err
}

// userInfo, aclInfo and what they have are the server's descriptions.
type userInfo struct {
	Name     string `json:"username"`
	Password string `json:"password"`
	Type     string `json:"userType"`
	Status   string `json:"userStatus"`
}

type aclInfo struct {
	Subject  string       `json:"subject"`
	Policies []policyInfo `json:"policies"`
}

type policyInfo struct {
	Type    string        `json:"policyType"`
	Entries []policyEntry `json:"entries"`
}

type policyEntry struct {
	Resource string   `json:"resource"`
	Actions  []string `json:"actions"`
	Sources  []string `json:"sourceIps,omitempty"`
	Decision string   `json:"decision"`
}

func entryOf(p Policy) policyEntry {
	e := policyEntry{Resource: p.Resource, Actions: p.Actions, Sources: p.Sources, Decision: "Allow"}
	if p.Deny {
		e.Decision = "Deny"
	}
	return e
}
