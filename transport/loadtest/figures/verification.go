package figures

// Violation is a way in which the service breaks its promise: each frame arrives once, in order, unmodified, at the
// right session.
type Violation string

// The kinds of violations.
const (
	ViolationLost       Violation = "lost"       // did not arrive, and the service reported no error
	ViolationDuplicated Violation = "duplicated" // arrived more than once
	ViolationReordered  Violation = "reordered"  // arrived after a frame that was sent later
	ViolationMisrouted  Violation = "misrouted"  // arrived at a session other than the one it was for
	ViolationModified   Violation = "modified"   // arrived with different content
	ViolationInvented   Violation = "invented"   // arrived although nobody had sent it
)

// Violations returns all kinds of violations.
func Violations() []Violation {
	return []Violation{ViolationLost, ViolationDuplicated, ViolationReordered, ViolationMisrouted, ViolationModified, ViolationInvented}
}

// Finding is what verification found of one kind of violation.
type Finding struct {
	Count   int64  `json:"count"`
	Example string `json:"example"` // the first one, in a sentence
}

// Verification is the outcome of verifying relayed frames.
type Verification struct {
	Done     bool                  `json:"done"`    // false: verification was off
	Checked  int64                 `json:"checked"` // frames that were verified
	Findings map[Violation]Finding `json:"findings,omitempty"`
}

// Merge adds what o found. Of two examples of a kind, that of v stays.
func (v *Verification) Merge(o Verification) {
	v.Done = v.Done || o.Done
	v.Checked += o.Checked
	for kind, finding := range o.Findings {
		if v.Findings == nil {
			v.Findings = make(map[Violation]Finding)
		}
		had := v.Findings[kind]
		had.Count += finding.Count
		if had.Example == "" {
			had.Example = finding.Example
		}
		v.Findings[kind] = had
	}
}

// Count returns the number of violations of all kinds.
func (v Verification) Count() int64 {
	var n int64
	for _, finding := range v.Findings {
		n += finding.Count
	}
	return n
}
