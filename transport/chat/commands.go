package chat

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"p2p-messaging/messages"
)

// typingInterval is the shortest time between two frames which say that the person is still typing.
const typingInterval = 2 * time.Second

const help = `/call LOGIN     connect to somebody, or go back to the conversation with them
/accept [N]     accept what was asked: a call, a file, somebody with another certificate
/decline [N]    decline it
/send FILE      offer a file
/safety         show the safety number, to compare it with the other person
/verify         say that both of you see the same safety number
/who            show whom you talk to
/bye            end this conversation
/quit           end all of them and leave (also Ctrl-D)
A line that does not begin with / is sent. One that begins with // is sent without the first.`

// typed acts on a line of the person.
func (c *chat) typed(line string) {
	line = strings.TrimSpace(line)
	switch {
	case line == "":
	case strings.HasPrefix(line, "//"):
		c.write(line[1:])
	case strings.HasPrefix(line, "/"):
		name, rest, _ := strings.Cut(line[1:], " ")
		if err := c.command(name, strings.TrimSpace(rest)); err != nil {
			c.screen.note("%v", err)
		}
	default:
		c.write(line)
	}
	if w := c.front; w != nil && w.call != nil {
		w.call.typing(false)
	}
}

func (c *chat) command(name, rest string) error {
	switch name {
	case "call":
		return c.callTo(rest)
	case "accept", "decline":
		q, err := c.answer(rest)
		if err != nil || !c.settle(q) {
			return err
		}
		if name == "decline" {
			q.decline()
			return nil
		}
		q.accept()
		if q.call != nil {
			c.bringUp(c.conversation(q.call.from))
		}
	case "send":
		return c.sendFile(rest)
	case "safety":
		return c.safety()
	case "verify":
		return c.verify()
	case "who":
		c.who()
	case "bye":
		return c.leave()
	case "quit":
		c.finish(nil)
	case "help":
		c.screen.note("%s", help)
	default:
		return fmt.Errorf("there is no /%s: /help lists what there is. To send it as a text, begin with //", oneLine(name))
	}
	return nil
}

func (c *chat) callTo(login string) error {
	if login == "" {
		if c.front == nil {
			return fmt.Errorf("say whom: /call LOGIN")
		}
		login = c.front.peer
	}
	parsed, err := messages.ParseLogin([]byte(login))
	switch {
	case err != nil:
		return fmt.Errorf("%s is no login: %w", oneLine(login), err)
	case parsed.Key == c.me.Key:
		return fmt.Errorf("that is you")
	}
	w := c.conversation(parsed.Shown)
	c.bringUp(w)
	switch {
	case w.call != nil || w.loss != nil:
		c.screen.note("%s: %s", w.name(), w.state())
	case len(c.calls) >= maxCalls:
		return fmt.Errorf("there are too many conversations: end one with /bye")
	default:
		c.screen.note("calling %s …", w.name())
		c.dial(w, "")
	}
	return nil
}

// talking returns the conversation in front, if somebody is there whom the person has accepted.
func (c *chat) talking() (*conversation, error) {
	w := c.front
	if w == nil || w.call == nil || w.call.phase != open {
		return nil, fmt.Errorf("you are not connected to anybody: /call LOGIN")
	}
	return w, nil
}

func (c *chat) sendFile(path string) error {
	switch {
	case path == "":
		return fmt.Errorf("say which file: /send FILE")
	case c.front == nil:
		return fmt.Errorf("you are not connected to anybody: /call LOGIN")
	}
	if rest, found := strings.CutPrefix(path, "~/"); found {
		if home, err := os.UserHomeDir(); err == nil {
			path = filepath.Join(home, rest)
		}
	}
	return c.front.out.send(path)
}

func (c *chat) safety() error {
	w, err := c.talking()
	if err != nil {
		return err
	}
	digits := strings.Fields(safetyNumber(c.self.fingerprint, w.trust.fingerprint))
	c.screen.note("the safety number of this conversation. If %s sees the same, nobody is between you: /verify\n  %s\n  %s",
		w.name(), strings.Join(digits[:6], " "), strings.Join(digits[6:], " "))
	return nil
}

func (c *chat) verify() error {
	w, err := c.talking()
	if err != nil {
		return err
	}
	if !w.trust.accepted {
		return fmt.Errorf("decide first whether to go on with %s", w.name())
	}
	w.trust.verified = true
	if err := c.contacts.verify(c.me.Key, w.key, w.trust.fingerprint); err != nil {
		return fmt.Errorf("this cannot be written down: %w", err)
	}
	c.screen.note("%s is verified", w.name())
	return nil
}

func (c *chat) who() {
	if len(c.conversations) == 0 {
		c.screen.note("no conversations yet: /call LOGIN")
	}
	for _, key := range slices.Sorted(maps.Keys(c.conversations)) {
		w := c.conversations[key]
		front := " "
		if w == c.front {
			front = ">"
		}
		c.screen.note("%s %s: %s", front, w.name(), w.state())
	}
	for _, q := range c.questions {
		c.screen.ask("%d: %s", q.number, q.what)
	}
}

// leave ends the conversation in front.
func (c *chat) leave() error {
	w := c.front
	if w == nil || w.call == nil && w.loss == nil {
		return fmt.Errorf("you are not connected to anybody")
	}
	if lost := w.loss; lost != nil {
		w.loss = nil
		c.ended.add(lost.call, endHungUp)
		fields := bye{byeLeft}.fields()
		fields["call"] = lost.call
		c.send(w.peer, fields)
	}
	if w.call != nil {
		w.call.finish(endHungUp)
	}
	c.screen.note("the conversation with %s has ended", w.name())
	return nil
}

// types: the person presses keys.
func (c *chat) types() {
	if w := c.front; w != nil && w.call != nil {
		w.call.typing(true)
	}
}

// typing tells the other side that the person types, or has stopped.
func (l *call) typing(on bool) {
	now := time.Now()
	if on == l.types && (!on || now.Sub(l.typedAt) < typingInterval) {
		return
	}
	l.types, l.typedAt = on, now
	frame := []byte{frameTyping, 0}
	if on {
		frame[1] = 1
	}
	l.postAdmitted(frame)
}
