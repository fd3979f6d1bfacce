package options

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"

	"p2p-messaging/messages"
)

// maxTokenFile bounds a file of tokens, in bytes.
const maxTokenFile = 1 << 30

// Tokens returns the lines of [Options.TokenFile], without those that are empty. The error is a *[UsageError].
func (o Options) Tokens() ([]string, error) {
	if o.TokenFile == "" {
		return nil, nil
	}
	text, err := readRegular(o.TokenFile)
	if err != nil {
		return nil, UsageErrorf("--token-file: %s: %v", o.TokenFile, err)
	}
	var tokens []string
	number := 0
	for line := range strings.Lines(text) {
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

func readRegular(path string) (string, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() { // a FIFO would be waited for
		return "", errors.New("this is no regular file")
	}
	if err == nil && info.Size() > maxTokenFile {
		return "", errors.New("it is larger than 1 GiB")
	}
	var content []byte
	if err == nil {
		var file *os.File
		if file, err = os.Open(path); err == nil {
			defer func() { _ = file.Close() }() // it was only read
			content, err = io.ReadAll(io.LimitReader(file, maxTokenFile))
		}
	}
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err
	}
	return string(content), err
}
