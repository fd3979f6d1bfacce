package messages

import "testing"

func TestTypesAreSpelledAsOnTheWire(t *testing.T) {
	for typ, want := range map[Type]struct {
		spelling string
		relayed  bool
	}{
		TypeLogin:        {"login", false},
		TypeLogout:       {"logout", false},
		TypeOffer:        {"offer", true},
		TypeAnswer:       {"answer", true},
		TypeICECandidate: {"ice-candidate", true},
		TypeBye:          {"bye", true},
		TypePing:         {"ping", false},
		TypeICEServers:   {"ice-servers", false},
		TypeWatch:        {"watch", false},
		TypeToken:        {"token", false},
	} {
		if typ.String() != want.spelling || typ.Relayed() != want.relayed {
			t.Errorf("type %d is %q, relayed: %t; want %q, %t", typ, typ, typ.Relayed(), want.spelling, want.relayed)
		}
		if got := parseType([]byte(want.spelling)); got != typ {
			t.Errorf("%q is type %d, want %d", want.spelling, got, typ)
		}
	}
	for _, typ := range []Type{0, TypeToken + 1, 255} {
		if typ.String() != "unknown" || typ.Relayed() {
			t.Errorf("Type(%d) is %q, relayed: %t; want it unknown and not relayed", typ, typ, typ.Relayed())
		}
	}
	if got := parseType([]byte("unknown")); got != 0 {
		t.Errorf(`"unknown" is type %d, want none`, got)
	}
}
