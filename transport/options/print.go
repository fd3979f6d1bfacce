package options

import (
	"encoding"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// Print writes every option with its value and where that comes from: the command line, a variable, the configuration file, or
// the default. What it writes is a configuration file, in which secrets are hidden and defaults are comments. A URL that may have a
// password or a key in it is a secret.
func (f *Flags) Print(w io.Writer, ctx *kong.Context) error {
	var b strings.Builder
	b.WriteString("# The options of this command line, as a configuration file. What is a comment is the default, or hidden.\n")
	group := ""
	for _, flag := range f.flags(ctx) {
		if flag.Name == configFlag || flag.Name == printFlag || flag.Hidden || flag.Group == nil {
			continue
		}
		if flag.Group.Title != group {
			group = flag.Group.Title
			fmt.Fprintf(&b, "\n# %s\n", strings.TrimSuffix(group, ":"))
		}
		source := origin(ctx, flag)
		switch value, isSet := written(flag.Target); {
		case source == "" && !isSet:
			fmt.Fprintf(&b, "# %s is not set\n", flag.Name)
		case source == "":
			fmt.Fprintf(&b, "# %s = %s\n", flag.Name, value)
		case flag.Tag.Has("secret"), mayHaveSecret(value):
			fmt.Fprintf(&b, "# %s is hidden; it comes from %s\n", flag.Name, source)
		case !isSet:
			fmt.Fprintf(&b, "# %s is empty, by %s\n", flag.Name, source)
		default:
			fmt.Fprintf(&b, "%s = %s # from %s\n", flag.Name, value, source)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// mayHaveSecret reports whether a value has a URL in which a password or a key may stand: before the host, or in the query.
func mayHaveSecret(value string) bool {
	_, behind, isURL := strings.Cut(value, "://")
	return isURL && strings.ContainsAny(behind, "@?")
}

// origin says where the value of a flag comes from. It is "" for the default.
func origin(ctx *kong.Context, flag *kong.Flag) string {
	for _, path := range ctx.Path {
		switch {
		case path.Flag != flag:
		case path.Resolved:
			return "the file"
		default:
			return "the command line"
		}
	}
	if name, set := variable(flag); set {
		return "the variable " + name
	}
	return ""
}

// written returns a value as TOML writes it, and reports whether there is one.
func written(v reflect.Value) (text string, isSet bool) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return `""`, false
		}
		v = v.Elem()
	}
	if texter, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := texter.MarshalText()
		return quoted(string(text)), err == nil
	}
	if stringer, ok := v.Interface().(fmt.Stringer); ok {
		return quoted(stringer.String()), true
	}
	switch v.Kind() {
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), true
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), true
	case reflect.Uint16:
		return strconv.FormatUint(v.Uint(), 10), true
	case reflect.Slice:
		var elements []string
		for i := range v.Len() {
			element, _ := written(v.Index(i))
			elements = append(elements, element)
		}
		return "[" + strings.Join(elements, ", ") + "]", true
	}
	return quoted(v.String()), true
}

// quoted returns a basic string of TOML.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"', r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ', r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
