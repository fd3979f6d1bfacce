package chat

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// requestTimeout is how long a request to connect waits for the person. The caller gives up a little earlier.
const requestTimeout = 25 * time.Second

// question waits for the person's /accept or /decline.
type question struct {
	number          int
	what            string
	accept, decline func()

	// What it is about; one of these is set.
	call  *offer    // somebody wants to connect
	about *call     // the other end of this call may be somebody else
	file  *incoming // a file is offered
	timer *time.Timer
}

// ask asks the person.
func (c *chat) ask(q *question) {
	c.asked++
	q.number = c.asked
	c.questions = append(c.questions, q)
	c.screen.ask("%s: /accept %d or /decline %[2]d", q.what, q.number)
}

// settle takes a question from those that wait. It returns whether it waited.
func (c *chat) settle(q *question) bool {
	at := slices.Index(c.questions, q)
	if at < 0 {
		return false
	}
	c.questions = slices.Delete(c.questions, at, at+1)
	if q.timer != nil {
		q.timer.Stop()
	}
	return true
}

// dropQuestions drops those about a call that is over.
func (c *chat) dropQuestions(l *call) {
	c.questions = slices.DeleteFunc(c.questions, func(q *question) bool { return q.about == l })
}

func (c *chat) dropQuestion(f *incoming) {
	c.questions = slices.DeleteFunc(c.questions, func(q *question) bool { return q.file == f })
}

// asks reports whether the person is being asked about a file.
func (c *chat) asks(f *incoming) bool {
	return slices.ContainsFunc(c.questions, func(q *question) bool { return q.file == f })
}

// request returns the request of somebody to connect.
func (c *chat) request(key string) *question {
	for _, q := range c.questions {
		if q.call != nil && keyOf(q.call.from) == key {
			return q
		}
	}
	return nil
}

// answer finds the question that the person means: by number, or the only one that waits.
func (c *chat) answer(number string) (*question, error) {
	switch {
	case len(c.questions) == 0:
		return nil, fmt.Errorf("nothing waits for your answer")
	case number == "" && len(c.questions) == 1:
		return c.questions[0], nil
	case number == "":
		for _, q := range c.questions {
			c.screen.ask("%d: %s", q.number, q.what)
		}
		return nil, fmt.Errorf("say which one, by its number")
	}
	n, err := strconv.Atoi(number)
	for _, q := range c.questions {
		if err == nil && q.number == n {
			return q, nil
		}
	}
	return nil, fmt.Errorf("nothing with this number waits for your answer")
}
