package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// contact is what is remembered of somebody.
type contact struct {
	Me          string    `json:"me"` // keys of the two logins
	Other       string    `json:"other"`
	Fingerprint string    `json:"fingerprint"`    // of their certificate
	Verified    bool      `json:"verified"`       // the safety number was compared
	Next        string    `json:"next,omitempty"` // the certificate that they announced as the next one
	Since       time.Time `json:"since"`
}

// maxContacts is how many contacts are remembered: anybody may call, under any number of logins.
const maxContacts = 10_000

// contacts is a folder with a file for each contact. A contact is trusted on first use: the first fingerprint is remembered, and
// later ones are compared with it. A file for each keeps two processes from losing what the other has written.
type contacts struct{ folder string }

// room returns an error if no further contact can be remembered.
func (c contacts) room() error {
	opened, err := os.Open(c.folder)
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }() // it was only read
	names, err := opened.Readdirnames(-1)
	if err == nil && len(names) >= maxContacts {
		err = fmt.Errorf("%d people are remembered in %s, and no more can be. Delete files there of people whom you do not need", len(names), c.folder)
	}
	return err
}

// meeting is what a fingerprint says about somebody.
type meeting int

const (
	isNew     meeting = iota
	isKnown           // the same certificate as before, or the one that was announced
	isChanged         // another one
	isUnread          // what is remembered cannot be read
)

func (c contacts) file(me, other string) string {
	sum := sha256.Sum256([]byte(me + "\x00" + other)) // keys of logins have no control characters
	return filepath.Join(c.folder, hex.EncodeToString(sum[:16])+".json")
}

// find returns what is remembered of somebody, and [fs.ErrNotExist] if that is nothing.
func (c contacts) find(me, other string) (contact, error) {
	text, err := os.ReadFile(c.file(me, other))
	if err != nil {
		return contact{}, err
	}
	var found contact
	if err := json.Unmarshal(text, &found); err != nil || found.Fingerprint == "" {
		return contact{}, errors.New("damaged")
	}
	return found, nil
}

// meet compares the fingerprint that somebody has proved to have with what is remembered of them. A new one is remembered.
func (c contacts) meet(me, other, fingerprint string) (what meeting, verified bool, err error) {
	found, err := c.find(me, other)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return isNew, false, c.accept(me, other, fingerprint)
	case err != nil:
		return isUnread, false, nil
	case found.Fingerprint == fingerprint:
		return isKnown, found.Verified, nil
	case found.Next == fingerprint:
		found.Fingerprint, found.Next = fingerprint, ""
		return isKnown, found.Verified, c.put(found)
	}
	return isChanged, found.Verified, nil
}

// accept remembers a fingerprint in place of what was remembered.
func (c contacts) accept(me, other, fingerprint string) error {
	return c.put(contact{Me: me, Other: other, Fingerprint: fingerprint, Since: time.Now().UTC()})
}

// verify says that the safety number was compared.
func (c contacts) verify(me, other, fingerprint string) error {
	found, err := c.find(me, other)
	if err != nil || found.Fingerprint != fingerprint {
		found = contact{Me: me, Other: other, Fingerprint: fingerprint, Since: time.Now().UTC()}
	}
	found.Verified = true
	return c.put(found)
}

// vouch says that somebody who has the certificate fingerprint announces the next one.
func (c contacts) vouch(me, other, fingerprint, next string) error {
	found, err := c.find(me, other)
	if err != nil || found.Fingerprint != fingerprint || found.Next == next {
		return nil
	}
	found.Next = next
	return c.put(found)
}

func (c contacts) put(one contact) error {
	text, err := json.MarshalIndent(one, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		return err
	}
	file := c.file(one.Me, one.Other)
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		if err := c.room(); err != nil {
			return err
		}
	}
	whole, err := writeAside(file, append(text, '\n'))
	if err != nil {
		return err
	}
	return os.Rename(whole, file)
}
