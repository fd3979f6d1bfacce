package options

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"

	"p2p-messaging/transport/internal/regular"
)

// maxFileSize is the longest configuration file that is read, in bytes.
const maxFileSize = 1 << 20

// configFlag and printFlag are the flags that a configuration file cannot have.
const (
	configFlag = "config"
	printFlag  = "print-config"
)

// BeforeResolve reads the configuration file, for kong. It is called when the command line has been read, and before the values
// of other sources are looked for.
func (f *Flags) BeforeResolve(ctx *kong.Context) error {
	flags := f.flags(ctx)
	path := ""
	for _, flag := range flags {
		if flag.Name == configFlag {
			path, _ = ctx.FlagValue(flag).(string)
		}
	}
	if path == "" {
		return nil
	}
	read, err := readFile(path, flags)
	if err != nil {
		return usage("--%s: %v", configFlag, err)
	}
	f.file = read
	ctx.AddResolver(read)
	return nil
}

// flags returns the flags of f as kong knows them.
func (f *Flags) flags(ctx *kong.Context) []*kong.Flag {
	for _, path := range ctx.Path {
		if slices.ContainsFunc(path.Flags, func(flag *kong.Flag) bool { return flag.Name == printFlag }) {
			return path.Flags
		}
	}
	return nil
}

// file is a configuration file. It is a resolver for kong.
type file struct {
	path   string
	text   string
	values map[string]any // by the names of their flags
}

// readFile reads a configuration file in TOML. Its keys are the names of flags.
func readFile(path string, flags []*kong.Flag) (*file, error) {
	text, err := regular.Read(path, maxFileSize)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	if err := toml.Unmarshal(text, &values); err != nil {
		var where toml.ParseError
		if errors.As(err, &where) {
			return nil, fmt.Errorf("%s is no TOML: line %d: %s", path, where.Position.Line, where.Message)
		}
		return nil, fmt.Errorf("%s is no TOML: %v", path, err)
	}
	read := &file{path, string(text), values}
	for _, name := range slices.Sorted(maps.Keys(values)) { // so that the same file always has the same first fault
		i := slices.IndexFunc(flags, func(flag *kong.Flag) bool { return flag.Name == name })
		switch {
		case i < 0:
			return nil, fmt.Errorf("%s: there is no option %q%s", read.place(name), name, suggestion(name, flags))
		case name == configFlag, name == printFlag, name == "help":
			return nil, fmt.Errorf("%s: %q cannot stand in the file itself", read.place(name), name)
		}
		if wanted := kindOf(flags[i]); !wanted.fits(values[name]) {
			return nil, fmt.Errorf("%s: %s must be %s", read.place(name), name, wanted)
		}
	}
	return read, nil
}

// suggestion names the flag that was probably meant, as the end of a sentence.
func suggestion(name string, flags []*kong.Flag) string {
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "", ".", "").Replace(s))
	}
	best, fewest := "", 3 // as many changed letters are a typing error
	for _, flag := range flags {
		if changes := distance(plain(name), plain(flag.Name)); changes < fewest {
			best, fewest = flag.Name, changes
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// distance returns how many letters must be added, removed or replaced to turn a into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := before
			if a[i] != b[j] {
				changed++
			}
			before = row[j+1]
			row[j+1] = min(changed, before+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// kind is what a value in a configuration file must be.
type kind string

const (
	aBool   kind = "true or false"
	aNumber kind = "a whole number"
	aTime   kind = `a time in quotes, such as "10s"`
	aText   kind = "a text in quotes"
	aScalar kind = "a number, or a text in quotes"
	aList   kind = `a text in quotes, or a list of such, as in ["one", "two"]`
)

// kindOf returns the kind of a flag's values.
func kindOf(flag *kong.Flag) kind {
	target := flag.Target.Type()
	if target.Kind() == reflect.Pointer {
		target = target.Elem()
	}
	switch {
	case target == reflect.TypeFor[time.Duration]():
		return aTime
	case target.Kind() == reflect.Slice:
		return aList
	case target.Kind() == reflect.Bool:
		return aBool
	case target.Kind() == reflect.String && target.PkgPath() == "":
		return aText
	case target.Kind() == reflect.Int && target.PkgPath() == "":
		return aNumber
	}
	return aScalar
}

// fits reports whether a value of TOML is of the kind.
func (k kind) fits(value any) bool {
	switch v := value.(type) {
	case bool:
		return k == aBool
	case int64:
		return k == aNumber || k == aScalar
	case string:
		return k == aTime || k == aText || k == aScalar || k == aList
	case []any:
		return k == aList && !slices.ContainsFunc(v, func(element any) bool { _, isText := element.(string); return !isText })
	}
	return false
}

// Validate implements [kong.Resolver]. The file has been checked when it was read.
func (*file) Validate(*kong.Application) error { return nil }

// Resolve implements [kong.Resolver]. A variable of the environment wins over the file.
func (f *file) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value, found := f.values[flag.Name]
	if _, set := variable(flag); set || !found {
		return nil, nil
	}
	switch v := value.(type) {
	case bool:
		return v, nil
	case []any:
		return v, nil
	default:
		return fmt.Sprint(v), nil
	}
}

// variable returns the environment variable that a flag has its value from, and reports whether there is one.
func variable(flag *kong.Flag) (name string, set bool) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return name, true
		}
	}
	return "", false
}
