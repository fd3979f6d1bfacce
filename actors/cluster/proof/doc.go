// Package proof checks what several nodes and their clients have seen. Tests write down an [Event] for each claim, release and
// use of a login, and for each frame that a client sends or gets. [Check] reads the events afterwards and says what must not
// have happened:
//
//   - Two nodes own one login at the same time.
//   - A node acts as the owner of its logins when it may not any more.
//   - A frame that is sent when a client has a login arrives at one that had the login before. Only clients are asked here.
//   - A frame arrives twice, out of order, or without having been sent.
//   - A frame does not arrive, and its sender is not told.
//
// The package knows nothing of the nodes. It shares no code with what it checks.
//
// All events have times of one clock, which all processes of a machine share and which runs on while the machine sleeps, such as
// CLOCK_BOOTTIME (clock_gettime(2)). A node may stand still between a look at its clock and what it does then. So the time of a
// use is the very reading by which the node has decided that it may act. Whether it was the owner is decided for that time.
package proof
