package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// browserTab is what a test does in a page, whichever browser shows it.
type browserTab interface {
	// evaluate runs a JavaScript expression and returns its value, null where it has none; a promise is awaited.
	evaluate(ctx context.Context, expression string) (json.RawMessage, error)
	// present returns how many elements of a role and a name the accessibility tree has now; an empty name is any.
	present(ctx context.Context, role, name string) (int, error)
	// refused reports whether err is the browser's answer to what cannot be done, or not at this moment.
	refused(err error) bool
	navigate(url string)
	// click clicks in the middle of the one element of a role and a name, as a mouse does.
	click(role, name string)
	// fill puts text into a textbox in place of what it has, as typing or pasting does.
	fill(name, text string)
	// read waits for the element and returns its text.
	read(role, name string) string
	// shows waits until the element's text contains want.
	shows(role, name, want string)
	enter()
	escape()
	// close closes the tab as a person does.
	close()
}

// person is one at a page, who finds what is in it by roles and names.
type person struct {
	browserTab
	t    testing.TB
	ctx  context.Context
	name string // for messages
	// gone is set once the tab has been closed or has crashed on purpose.
	gone bool
}

// anyPage is a page in either browser.
type anyPage interface{ either() *person }

func (p *person) either() *person { return p }

// eval runs a JavaScript expression and returns its value; a promise is awaited.
func eval[T any](page anyPage, expression string) T {
	p := page.either()
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := evaluate[T](ctx, p, expression)
	if err != nil {
		p.t.Fatalf("%s: evaluate %s: %v", p.name, expression, err)
	}
	return value
}

func evaluate[T any](ctx context.Context, p *person, expression string) (value T, err error) {
	result, err := p.evaluate(ctx, expression)
	if err != nil {
		return value, err
	}
	return value, json.Unmarshal(result, &value)
}

// until waits, from one change of the page to the next, for condition to hold.
func (p *person) until(what string, condition func(ctx context.Context) (bool, error)) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	changes, err := evaluate[int](ctx, p, "testing.changes")
	for {
		var ok bool
		if err == nil {
			ok, err = condition(ctx)
		}
		if err == nil && ok {
			return
		}
		if err == nil {
			changes, err = evaluate[int](ctx, p, fmt.Sprintf("testing.after(%d)", changes))
		}
		if ctx.Err() != nil {
			p.t.Fatalf("%s: %s: not within %v. The page shows:\n%s\nfaults: %q", p.name, what, patience,
				eval[string](p, "document.body.innerText.slice(0, 2000)"), eval[[]string](p, "testing.faults"))
		}
		// A node may go away between two questions about it: then the tree has changed, and is asked again.
		if err != nil {
			if !p.refused(err) {
				p.t.Fatalf("%s: %s: %v", p.name, what, err)
			}
			changes, err = evaluate[int](ctx, p, "testing.changes")
		}
	}
}

func (p *person) checkFaults() {
	p.t.Helper()
	for _, fault := range eval[[]string](p, "testing.faults") {
		p.t.Errorf("%s: %s", p.name, fault)
	}
}

// sees waits until there is one element of a role and a name.
func (p *person) sees(role, name string) {
	p.t.Helper()
	p.until(fmt.Sprintf("one %s %q", role, name), func(ctx context.Context) (bool, error) {
		n, err := p.present(ctx, role, name)
		return n == 1, err
	})
}

// vanish waits until there is no element of a role and a name.
func (p *person) vanish(role, name string) {
	p.t.Helper()
	p.until(fmt.Sprintf("no %s %q", role, name), func(ctx context.Context) (bool, error) {
		n, err := p.present(ctx, role, name)
		return n == 0, err
	})
}

// absent checks that there is no element of a role and a name now.
func (p *person) absent(role, name string) {
	p.t.Helper()
	n, err := p.present(p.ctx, role, name)
	if err != nil {
		p.t.Fatalf("%s: look for %s %q: %v", p.name, role, name, err)
	}
	if n != 0 {
		p.t.Errorf("%s: there is a %s %q, want none", p.name, role, name)
	}
}

func (p *person) join(login string) {
	p.t.Helper()
	p.fill("Login", login)
	p.enter()
	p.sees("button", "Sign out")
}

func (p *person) connectTo(login string) {
	p.t.Helper()
	p.fill("Other login", login)
	p.click("button", "Connect to")
}

func (p *person) connected(login string) {
	p.t.Helper()
	p.sees("button", "Disconnect from "+login)
}

// meets calls somebody, and waits until both are connected. The pages are called what they have joined as.
func (p *person) meets(other anyPage) {
	p.t.Helper()
	o := other.either()
	p.connectTo(o.name)
	p.connected(o.name)
	o.connected(p.name)
}

// phase waits until the conversation in front is in a phase.
func (p *person) phase(want string) {
	p.t.Helper()
	p.until("phase "+want, func(ctx context.Context) (bool, error) {
		return evaluate[bool](ctx, p, `document.querySelector(".peer")?.dataset.phase === "`+want+`"`)
	})
}

// deletes deletes the only conversation that there is.
func (p *person) deletes(login string) {
	p.t.Helper()
	p.click("button", "Delete the conversation with "+login)
	p.click("button", "Delete")
	p.vanish("list", "Conversations")
}

// hurries presses the button with which the page connects to the service at once, unless it has done so by itself meanwhile.
func (p *person) hurries() {
	p.t.Helper()
	eval[any](p, `[...document.querySelectorAll("button")].find((b) => b.textContent.includes("Try now"))?.click()`)
}

// greets has both say something, which arrives.
func (p *person) greets(other anyPage) {
	p.t.Helper()
	o := other.either()
	hello := "Hello " + o.name + ", Grüße & <b>text</b>"
	p.say(hello)
	o.hears(p.name, hello)
	o.say("Hello " + p.name)
	p.hears(o.name, "Hello "+p.name)
	p.delivered()
	o.delivered()
}

// bringUp brings the conversation with somebody to the front.
func (p *person) bringUp(login string) {
	p.t.Helper()
	p.until("the conversation with "+login+" in the list", func(ctx context.Context) (bool, error) {
		return evaluate[bool](ctx, p, fmt.Sprintf(`(() => {
			const line = [...document.querySelectorAll(".conversations .line")].find((l) => l.querySelector("strong").textContent === %q);
			line?.click();
			return line !== undefined;
		})()`, login))
	})
}

func (p *person) say(text string) {
	p.t.Helper()
	p.fill("Message", text)
	p.enter()
}

// paste puts text into the field for messages at once, as a paste does. To type a megabyte takes Chromium minutes.
func (p *person) paste(text string) {
	p.t.Helper()
	p.fill("Message", "")
	eval[bool](p, fmt.Sprintf(`(() => {
		document.activeElement.value = %q;
		return document.activeElement.dispatchEvent(new InputEvent("input", { bubbles: true }));
	})()`, text))
}

// hears waits for a message of author with this text.
func (p *person) hears(author, text string) {
	p.t.Helper()
	// The page picks the texts by their author and their length in UTF-16 code units: a whole discussion may be long.
	candidates := fmt.Sprintf(`[...document.querySelectorAll("[role=log] li.message:not(.transfer)")]
		.filter((li) => li.querySelector("strong").textContent === %s)
		.map((li) => li.querySelector(".bubble").textContent)
		.filter((text) => text.length === %d)`, quoted(author), len(utf16.Encode([]rune(text))))
	p.until(fmt.Sprintf("a message %.100q by %s", text, author), func(ctx context.Context) (bool, error) {
		texts, err := evaluate[[]string](ctx, p, candidates)
		return slices.Contains(texts, text), err
	})
}

// quoted returns text as a JavaScript string.
func quoted(text string) string {
	literal, err := json.Marshal(text)
	if err != nil {
		panic(err) // A string is always JSON.
	}
	return string(literal)
}

// message is one in the discussion, as it is shown.
type message struct {
	Author, Text, Delivery string
	Own                    bool
}

func (p *person) messages() []message {
	p.t.Helper()
	return eval[[]message](p, `[...document.querySelectorAll("[role=log] li.message:not(.transfer)")].map((li) => ({
		author: li.querySelector("strong").textContent,
		text: li.querySelector(".bubble").textContent,
		delivery: li.querySelector(".delivery")?.innerText.trim() ?? "",
		own: li.classList.contains("own"),
	}))`)
}

// texts returns the texts of one author's messages, in order.
func (p *person) texts(author string) []string {
	p.t.Helper()
	var texts []string
	for _, m := range p.messages() {
		if m.Author == author {
			texts = append(texts, m.Text)
		}
	}
	return texts
}

// delivered waits until every own message has been delivered; it may have been read, too.
func (p *person) delivered() {
	p.t.Helper()
	// What was sent just now is in the discussion at the page's next frame, which the view waits for, too.
	eval[bool](p, "new Promise((resolve) => requestAnimationFrame(() => resolve(true)))")
	p.until("every message delivered", func(context.Context) (bool, error) {
		for _, m := range p.messages() {
			if m.Own && !strings.HasPrefix(m.Delivery, "delivered") {
				return false, nil
			}
		}
		return true, nil
	})
}

// sharing is a case of a test whose cases share its pages.
type sharing struct {
	name string
	run  func(t *testing.T)
}

// inTurn runs the cases of a test one after the other. failing has the pages, and what else they share, tell a case of what goes wrong, or
// the test between two cases. A case that fails is the last one: nobody knows how the pages are then.
func inTurn(t *testing.T, failing func(testing.TB), cases []sharing) {
	t.Helper()
	for _, c := range cases {
		if !t.Run(c.name, func(one *testing.T) {
			failing(one)
			defer failing(t)
			c.run(one)
		}) {
			return
		}
	}
}
