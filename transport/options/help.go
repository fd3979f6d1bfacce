package options

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"
)

// PrintFirst writes the short help of the service: the flags that matter first, which have the tag first, and the subjects of all
// of them. Ctx is the command of the service. All names the command line that prints the whole help.
func PrintFirst(w io.Writer, ctx *kong.Context, all string) error {
	var b strings.Builder
	b.WriteString("Options of the service that matter first:\n")
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, path := range ctx.Path {
		for _, flag := range path.Flags {
			if flag.Tag.Has("first") {
				sentence, _, _ := strings.Cut(flag.Help+" ", ". ")
				fmt.Fprintf(table, "  --%s=%s\t%s.\n", flag.Name, flag.PlaceHolder, strings.TrimSuffix(sentence, "."))
			}
		}
	}
	_ = table.Flush() // a strings.Builder does not fail
	fmt.Fprintf(&b, "\nAll options, with their variables and defaults: %s\n", all)
	subjects := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for row := range slices.Chunk(Groups(), 2) {
		for i, group := range row {
			title, _, _ := strings.Cut(strings.TrimSuffix(group.Title, ":"), " (")
			row[i].Title = "  " + title
		}
		fmt.Fprintln(subjects, row[0].Title+strings.Repeat("\t"+row[len(row)-1].Title, len(row)-1))
	}
	_ = subjects.Flush()
	_, err := io.WriteString(w, b.String())
	return err
}
