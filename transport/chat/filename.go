package chat

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSavedBytes is the longest name under which a file is saved. Common file systems take 255 bytes; a number may be appended.
const maxSavedBytes = 200

// safeName returns a name that is safe to show and to save a file under. It is one name and not a path, has no special meaning to any
// operating system, and reads as it is. It follows the page (web/src/files/files.ts).
func safeName(name string) string {
	safe := strings.Map(func(c rune) rune {
		switch {
		case c == utf8.RuneError, unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
			return -1
		case strings.ContainsRune(`/\:*?"<>|`, c):
			return '_'
		}
		return c
	}, name)
	safe = strings.Trim(strings.Join(strings.Fields(safe), " "), " .")
	if safe == "" {
		safe = "file"
	}
	if isReserved(safe) {
		safe = "_" + safe
	}
	return shorten(safe)
}

// isReserved reports whether Windows reserves a name for a device, with any extension.
func isReserved(name string) bool {
	return regexp.MustCompile(`(?i)^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\.|$)`).MatchString(name)
}

// shorten shortens a name that is too long. Its extension stays.
func shorten(name string) string {
	if len(name) <= maxSavedBytes {
		return name
	}
	ending := filepath.Ext(name)
	if len(ending) > 60 || utf8.RuneCountInString(ending) > 16 {
		ending = ""
	}
	kept := strings.TrimSuffix(name, ending)[:maxSavedBytes-len(ending)]
	for !utf8.ValidString(kept) {
		kept = kept[:len(kept)-1]
	}
	return strings.TrimRight(kept, " ") + ending
}

// numbered returns a name for the nth try to find one that is free.
func numbered(name string, n int) string {
	if n == 0 {
		return name
	}
	ending := filepath.Ext(name)
	return fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(name, ending), n, ending)
}
