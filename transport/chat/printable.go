package chat

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
)

// printable returns text of the other side as it may be shown in a terminal: each character that could act on the terminal or
// change how other text reads is shown as its number, such as <U+001B>. Line breaks stay.
func printable(text string) string {
	var b strings.Builder
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for _, c := range text {
		switch {
		case c == '\n':
			b.WriteRune(c)
		case c == '\t':
			b.WriteString("    ")
		case acts(c):
			fmt.Fprintf(&b, "<U+%04X>", c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// acts reports whether a character does something other than stand for itself: control characters of ASCII and of ISO 6429,
// and format characters, among them those of the bidirectional algorithm (UAX #9). Joiners are part of words and emoji.
func acts(c rune) bool {
	if c == zeroWidthJoiner || c == zeroWidthNonJoiner {
		return false
	}
	return c == utf8.RuneError || unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// oneLine is printable for what stands within a line, such as names.
func oneLine(text string) string { return strings.ReplaceAll(printable(text), "\n", "<U+000A>") }

// authorName is a login as it stands in front of a text. A login may have any visible character; one that could be taken for a
// login and the beginning of a text is quoted.
func authorName(login string) string {
	name := oneLine(login)
	if strings.ContainsAny(name, ":\"") {
		return `"` + strings.ReplaceAll(name, `"`, `\"`) + `"`
	}
	return name
}

// said returns the lines of a text as they are shown. Each has the author in front, so that no text can look like another's.
func said(author, text string) string {
	prefix := authorName(author) + ": "
	return prefix + strings.ReplaceAll(printable(text), "\n", "\n"+prefix)
}
