package deploy

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"p2p-messaging/transport/options"
)

// optionNames returns the flags of the service with their dashes, their environment variables, and their keys in a
// configuration file.
func optionNames(t *testing.T) (names []string) {
	t.Helper()
	parser, err := kong.New(&options.Flags{}, kong.Vars(options.Vars()), kong.ExplicitGroups(options.Groups()))
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range parser.Model.Flags {
		names = append(names, "--"+flag.Name, flag.Name+" =")
		if flag.Tag.Negatable != "" {
			names = append(names, "--no-"+flag.Name)
		}
		names = append(names, flag.Envs...)
	}
	return names
}

var (
	asFlag     = regexp.MustCompile(`--[a-z][a-z0-9-]*|P2P_[A-Z0-9_]+`)
	asKey      = regexp.MustCompile(`(?m)^(?:# )?([a-z0-9-]+ =)`)
	toProgram  = regexp.MustCompile(`(?m)^ExecStart=.*$|Environment=.*$|^(ENTRYPOINT|ENV) .*$|\bCMD .*$|^ +(# )?- --.*$|p2p-messaging (?:serve|--[a-z-]+)(?:\\\n|[^\n` + "`" + `])*`)
	delivering = []string{"systemd/p2p-messaging.service", "Dockerfile", "kubernetes.yaml", "cluster/kubernetes.yaml", "cluster/example",
		"README.md", "cluster/README.md", "../options/README.md", "../README.md", "../../README.md"}
)

// unknownNames returns what a text says to the program that is no name of an option.
func unknownNames(text string, names []string) (unknown []string) {
	for _, said := range toProgram.FindAllString(text, -1) {
		for _, name := range asFlag.FindAllString(said, -1) {
			if !slices.Contains(names, name) {
				unknown = append(unknown, name)
			}
		}
	}
	return unknown
}

// unknownKeys returns the keys of a configuration file that are no names of options. Lines that are switched off count, too.
func unknownKeys(text string, names []string) (unknown []string) {
	for _, key := range asKey.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(names, key[1]) {
			unknown = append(unknown, key[1])
		}
	}
	return unknown
}

func TestEachOptionThatIsSetExists(t *testing.T) {
	names := optionNames(t)
	for _, file := range delivering {
		ours, _, _ := strings.Cut(read(t, file), "  serviceName: etcd\n") // What follows are arguments of etcd.
		if unknown := unknownNames(ours, names); unknown != nil {
			t.Errorf("%s names %q, which the program does not know", file, unknown)
		}
	}
	if unknown := unknownKeys(read(t, "p2p-messaging.toml"), names); unknown != nil {
		t.Errorf("the configuration names %q, which the program does not know", unknown)
	}
}

func TestAnOptionThatDoesNotExistIsNamed(t *testing.T) {
	names := []string{"--port", "--cluster", "--no-presence", "P2P_HOST", "port ="}
	for text, want := range map[string][]string{
		"ExecStart=/usr/bin/p2p-messaging serve --port 1 --prot 2":             {"--prot"},
		"ExecReload=/bin/kill --anything":                                      nil,
		"Environment=P2P_HOST=:: P2P_HSOT=::":                                  {"P2P_HSOT"},
		"COPY --from=build /x /\nENV P2P_PROT=1\nCMD [\"serve\", \"--ports\"]": {"P2P_PROT", "--ports"},
		"HEALTHCHECK --interval=5s CMD [\"x\", \"--prot\"]":                    {"--prot"},
		"          args:\n            - --prot=1\n            # - --port=1":    {"--prot"},
		"docker run --rm p2p-messaging serve --port 1 --no-present":            {"--no-present"},
		"p2p-messaging --cluster --prot 1 \\\n  --cluster-prot\n--no":          {"--prot", "--cluster-prot"},
		"`p2p-messaging --port 1 --prot`, `chat --login`":                      {"--prot"},
		"p2p-messaging chat --login alice":                                     nil,
		"set `Environment=P2P_PORT=1`":                                         {"P2P_PORT"},
	} {
		if unknown := unknownNames(text, names); !slices.Equal(unknown, want) {
			t.Errorf("in %q these are unknown: %q; wanted %q", text, unknown, want)
		}
	}
	for text, want := range map[string][]string{
		"# A sentence = an equation.\nport = 1\nprot = 2": {"prot ="},
		"# port = 1\n# hosts = [\n#   'a',\n# ]":          {"hosts ="},
	} {
		if unknown := unknownKeys(text, names); !slices.Equal(unknown, want) {
			t.Errorf("in %q these are unknown: %q; wanted %q", text, unknown, want)
		}
	}
}
