package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// kept is what a client of the scenario resumes has of its session. A service that keeps no sessions ignores what the client asks
// for, and each login is a new one.
type kept struct {
	secret string // the newest one; empty: the service has not kept the session
}

// keptLogin returns a login that asks for a kept session, and resumes the one that there is.
func (c *client) keptLogin(login string) string {
	secret := c.kept.secret
	if secret == "" {
		secret = fmt.Sprintf("%016x%016x", c.g.random.Uint64(), c.g.random.Uint64())
	}
	return strings.TrimSuffix(login, "}") + `,"keep":true,"resume":"` + secret + `","received":0}`
}

// cameBack handles the answer of a service that keeps sessions. It reports whether the client has the session that it had before.
func (c *client) cameBack(text []byte) bool {
	var answer struct {
		Success, Resumed bool
		Resume           string
	}
	if err := json.Unmarshal(text, &answer); err != nil || !answer.Success || answer.Resume == "" {
		return false
	}
	if had := c.kept.secret != ""; had != answer.Resumed {
		return false
	}
	c.kept.secret = answer.Resume
	_ = c.conn.Send([]byte(`{"type":"ping","received":0}`)) // shows that the client has the next secret
	return true
}
