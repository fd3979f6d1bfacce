package options

import (
	"strings"
	"unicode/utf8"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/regular"
)

// maxTokenFile bounds a file of tokens, in bytes.
const maxTokenFile = 1 << 30

// Tokens returns the lines of [Options.TokenFile], without those that are empty. The error is a *[UsageError].
func (o Options) Tokens() ([]string, error) {
	if o.TokenFile == "" {
		return nil, nil
	}
	text, err := regular.Read(o.TokenFile, maxTokenFile)
	if err != nil {
		return nil, UsageErrorf("--token-file: %v", err)
	}
	var tokens []string
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		token := strings.TrimSpace(line)
		switch {
		case token == "":
			continue
		case len(token) > messages.MaxTokenBytes:
			return nil, UsageErrorf("--token-file: %s: line %d is longer than a token may be (8 KiB)", o.TokenFile, number)
		case !utf8.ValidString(token):
			return nil, UsageErrorf("--token-file: %s: line %d is no text", o.TokenFile, number)
		}
		tokens = append(tokens, token)
	}
	if len(tokens) == 0 {
		return nil, UsageErrorf("--token-file: there is no token in %s: make some with the command token", o.TokenFile)
	}
	return tokens, nil
}
