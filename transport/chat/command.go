// Package chat is the command chat: a person in a terminal, or a program in a pipe, talks to a person in the page or in another terminal.
// It finds the other side by way of the service, as the page does, and then talks to it directly, over WebRTC: texts with their delivery,
// files, and the safety number. messages/PROTOCOL.md describes what passes through the service, web/src/call/framing.ts and
// web/src/files/frames.ts what the two sides say to each other.
package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"p2p-messaging/messages"
	"p2p-messaging/transport/arguments"
	"p2p-messaging/transport/client"
)

// Exit statuses of a chat, besides those of package arguments.
const (
	StatusAbsent   = 3 // the other login is not there, or has left
	StatusDeclined = 4 // the other side has declined the call
	StatusNoWay    = 5 // the two sides found no way to each other
	StatusTimeout  = 6 // nobody answered, or the text was not delivered in time
	StatusIdentity = 7 // the other side has another certificate than before
)

// maxTokenBytes is the longest file that is read as a token. A login that is longer breaks the protocol.
const maxTokenBytes = 16 * 1024

// What --receive-files accepts by default.
const (
	defaultMaxFile  = 1 << 30 // bytes of a file
	defaultMaxFiles = 1000    // in the folder
)

// UsageError says what is wrong with the command line.
type UsageError = arguments.UsageError

// EndError says why a chat could not do what it was started for.
type EndError struct {
	Status int // the exit status
	Reason string
}

func (e *EndError) Error() string { return e.Reason }

// ExitStatus returns the exit status of the command.
func (e *EndError) ExitStatus() int { return e.Status }

// Flags are the command line of a chat, for kong.
type Flags struct {
	Login        string         `required:"" placeholder:"LOGIN" help:"Your login."`
	To           string         `placeholder:"LOGIN" help:"Connect to this login at once. Calls from it are taken without asking."`
	Once         string         `placeholder:"TEXT" help:"Send this text to --to, wait until it is delivered, and leave."`
	ReceiveFiles string         `type:"path" placeholder:"FOLDER" help:"Accept every file, and save it in this folder. Default: ask, and save in the current folder; without a terminal, take none."`
	MaxFile      arguments.Size `placeholder:"SIZE" help:"How large a file may be that --receive-files accepts. Default: 1GiB."`
	MaxFiles     *int           `placeholder:"N" help:"How many files --receive-files accepts: those in the folder count. Default: 1000."`
	Service      string         `default:"ws://localhost:7777" env:"P2P_CHAT_SERVICE" placeholder:"URL" help:"The service: ws://, wss://, http:// or https://. Default: ${default}."`
	Identity     string         `type:"path" env:"P2P_CHAT_IDENTITY" placeholder:"FILE" help:"Keep the certificate and its key, by which others know you, in this file. Default: p2p-messaging/identity.pem in $XDG_STATE_HOME or ~/.local/state."`
	TokenFile    string         `type:"path" env:"P2P_CHAT_TOKEN_FILE" placeholder:"FILE" help:"Log in with the token in this file, for a service that wants one. The file is read again before the token ends."`
	Timeout      time.Duration  `default:"30s" placeholder:"TIME" help:"How long --once may take, and connecting to the service. Default: ${default}."`

	In io.Reader `kong:"-"` // what is written, instead of standard input
}

// Help returns the description of the command, which stands above its flags.
func (*Flags) Help() string {
	return `In a terminal you write lines, and /help lists what else you can do. In a pipe each line that comes in is a text, and each text that ` +
		`arrives is a line "login: text"; other news goes to standard error. Without --to, a pipe takes every call, and runs until it is ended.

Examples:

  p2p-messaging chat --login alice --to bob
  p2p-messaging chat --login alerts --to bob --once 'The disk is full.'
  dmesg | p2p-messaging chat --login alerts --to bob --service https://chat.example.org
  p2p-messaging chat --login alice --token-file ~/alice.token --service wss://chat.example.org
  p2p-messaging chat --login inbox --receive-files /srv/inbox < /dev/null

The exit status is 0 if all was delivered, 3 if --to is not there or has left, 4 if it has declined, 5 if no way to it was found, 6 if it did not ` +
		`answer in time, 7 if it has another certificate than before, 2 for a wrong command line and 1 for other failures.`
}

// Run runs the command for kong.
func (f *Flags) Run(parsed *kong.Context) error {
	if err := refuseEmpty(parsed.Args); err != nil {
		return err
	}
	return arguments.Program(f.Execute).Run(parsed)
}

// refuseEmpty refuses a flag with an empty value. In a script, an empty value usually comes from a variable that is not set, and the chat
// would do something else without it.
func refuseEmpty(given []string) error {
	for i, argument := range given {
		name, value, joined := strings.Cut(argument, "=")
		switch isFlag := strings.HasPrefix(name, "--"); {
		case isFlag && joined && value == "":
			return &UsageError{Reason: name + ": its value is empty"}
		case argument == "" && i > 0:
			return &UsageError{Reason: given[i-1] + ": its value is empty"}
		}
	}
	return nil
}

// Execute chats until the person ends it, or ctx ends. The error is a *[UsageError], an *[EndError], that of ctx, or another one if
// files cannot be used.
func (f *Flags) Execute(ctx context.Context, stdout, stderr io.Writer) error {
	c, err := f.prepare()
	if err != nil {
		return err
	}
	keyboard, out := f.terminal(stdout)
	if c.folder, err = f.openFolder(keyboard != nil); err != nil {
		return err
	}
	if c.folder != nil {
		defer func() { _ = c.folder.root.Close() }() // it was only read
	}
	if err := c.logIn(ctx); err != nil {
		return err
	}
	if keyboard == nil {
		c.screen = &pipe{in: f.input(), out: stdout, err: stderr, broken: c.muted}
		return c.run(ctx)
	}
	// From now on the keys come as they are. Until now Ctrl-C was a signal.
	screen, restore, err := openTerminal(keyboard, out)
	if err != nil {
		_ = c.client.Close() // the session ends in any case
		return err
	}
	defer restore()
	c.screen = screen
	return c.run(ctx)
}

// prepare checks the flags, and reads the identity.
func (f *Flags) prepare() (*chat, error) {
	address, err := f.check()
	if err != nil {
		return nil, err
	}
	me, err := messages.ParseLogin([]byte(f.Login))
	if err != nil {
		return nil, &UsageError{Reason: "--login: " + err.Error()}
	}
	file := f.Identity
	if file == "" {
		if file, err = defaultIdentityFile(); err != nil {
			return nil, &UsageError{Reason: "there is no home folder: give a file with --identity"}
		}
	}
	self, err := loadIdentity(file)
	if err != nil {
		return nil, fmt.Errorf("the identity cannot be used: %w", err)
	}
	c := &chat{
		o: f, address: address, me: me, self: self, contacts: contacts{file + ".contacts"}, api: newAPI(), setup: setupTimeout, actions: make(chan func(), 64),
		conversations: map[string]*conversation{}, calls: map[string]*call{}, doubted: map[string]offer{},
	}
	c.life, c.endLife = context.WithCancel(context.Background())
	return c, nil
}

// logIn connects to the service and takes the login.
func (c *chat) logIn(ctx context.Context) error {
	connecting, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	var err error
	options := []client.Option{client.WithKeep()}
	if c.o.TokenFile != "" {
		if _, err := c.o.token(); err != nil {
			return err
		}
		options = append(options, client.WithToken(func(context.Context, string) (string, error) { return c.o.token() }))
	}
	if c.client, err = client.Dial(connecting, c.address, options...); err == nil {
		if err = c.client.Login(connecting, c.me.Shown); err == nil {
			return nil
		}
		_ = c.client.Close() // the login tells more
	}
	refused, isRefused := errors.AsType[*client.RefusedError](err)
	switch {
	case isRefused && refused.Code == messages.CodeAuthRequired:
		return &EndError{arguments.StatusFailure, "the service refuses the login: it wants a token. Give a file that has one with --token-file"}
	case isRefused:
		return &EndError{arguments.StatusFailure, "the service refuses the login: " + oneLine(cmp.Or(refused.Message, refused.Error()))}
	case ctx.Err() != nil:
		return interrupted{}
	}
	return &EndError{arguments.StatusFailure, fmt.Sprintf("the service at %s cannot be reached: %s", withoutPassword(c.address), oneLine(err.Error()))}
}

func withoutPassword(address string) string {
	if at, err := url.Parse(address); err == nil {
		return at.Redacted()
	}
	return address
}

// token reads the token for the login.
func (f *Flags) token() (string, error) {
	file, err := os.Open(f.TokenFile)
	if err != nil {
		return "", &UsageError{Reason: "--token-file: " + err.Error()}
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxTokenBytes+1))
	token := strings.TrimSpace(string(text))
	switch {
	case err != nil:
		return "", &UsageError{Reason: "--token-file: " + err.Error()}
	case token == "" || len(text) > maxTokenBytes || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }):
		return "", &UsageError{Reason: "--token-file: there is no token in " + f.TokenFile}
	}
	return token, nil
}

// check checks the flags that need no file, and returns the URL of the service.
func (f *Flags) check() (string, error) {
	at, err := url.Parse(f.Service)
	if err != nil || at.Host == "" {
		return "", &UsageError{Reason: "--service: give a URL such as wss://chat.example.org"}
	}
	isPage := strings.HasPrefix(at.Scheme, "http")
	switch at.Scheme {
	case "ws", "wss":
	case "http":
		at.Scheme = "ws"
	case "https":
		at.Scheme = "wss"
	default:
		return "", &UsageError{Reason: "--service: give a URL that begins with ws://, wss://, http:// or https://"}
	}
	switch {
	case isPage && path.Base(at.Path) != "ws": // the WebSocket is beside the page
		at.Path = path.Join("/", at.Path, "ws")
	case at.Path == "" || at.Path == "/":
		at.Path = "/ws"
	}
	switch {
	case f.Once != "" && f.To == "":
		return "", &UsageError{Reason: "--once: say whom the text is for, with --to"}
	case len(f.Once) > maxTextBytes:
		return "", &UsageError{Reason: fmt.Sprintf("--once: a text has %d bytes at most", maxTextBytes)}
	case f.MaxFile != 0 && f.ReceiveFiles == "":
		return "", &UsageError{Reason: "--max-file: it bounds what --receive-files accepts: give that too. Without it you are asked for each file"}
	case f.MaxFiles != nil && f.ReceiveFiles == "":
		return "", &UsageError{Reason: "--max-files: it bounds what --receive-files accepts: give that too. Without it you are asked for each file"}
	case f.MaxFiles != nil && *f.MaxFiles < 1:
		return "", &UsageError{Reason: "--max-files: give a number from 1"}
	case f.Timeout <= 0:
		return "", &UsageError{Reason: "--timeout: give some time, such as 30s"}
	}
	if f.To != "" {
		if _, err := messages.ParseLogin([]byte(f.To)); err != nil {
			return "", &UsageError{Reason: "--to: " + err.Error()}
		}
		if keyOf(f.To) == keyOf(f.Login) {
			return "", &UsageError{Reason: "--to: that is your own login"}
		}
	}
	return at.String(), nil
}

// input returns what is read.
func (f *Flags) input() io.Reader {
	if f.In != nil {
		return f.In
	}
	return os.Stdin
}

// terminal returns the two ends of the terminal in which a person chats, and nil if there is none.
func (f *Flags) terminal(stdout io.Writer) (keyboard, out *os.File) {
	out, isFile := stdout.(*os.File)
	keyboard, isKeyboard := f.input().(*os.File)
	if f.Once == "" && isFile && isKeyboard && term.IsTerminal(int(out.Fd())) && term.IsTerminal(int(keyboard.Fd())) {
		return keyboard, out
	}
	return nil, nil
}

// openFolder opens the folder for files. It is nil if no files are received.
func (f *Flags) openFolder(asks bool) (*folder, error) {
	into := f.ReceiveFiles
	switch {
	case into != "":
	case asks:
		into = "."
	default:
		return nil, nil
	}
	opened, err := openFolder(into)
	if err != nil {
		return nil, &UsageError{Reason: "--receive-files: " + err.Error()}
	}
	return opened, nil
}
