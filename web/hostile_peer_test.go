package web_test

import "testing"

func TestARobotTalksWithThePage(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, robot := s.open("alice"), s.peer("robot")
	l := robot.call("alice")
	alice.connected("robot")
	l.say(1, "Hello Alice")
	alice.hears("robot", "Hello Alice")
	l.confirmed(1)
	alice.say("Hello robot")
	if got := l.hears(); got != "Hello robot" {
		t.Errorf("the robot got %q", got)
	}
	alice.delivered()
	l.send([]byte{frameGoodbye})
	alice.shows("log", "Discussion", "robot left")

	alice.connectTo("robot")
	l = robot.accept()
	alice.connected("robot")
	alice.say("Again")
	if got := l.hears(); got != "Again" {
		t.Errorf("the robot got %q", got)
	}
}

// The pages see a service and a channel that are as they should be; only the fingerprints differ.
func TestOneInTheMiddleCanPassOnWhatTwoPagesSay(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.open("alice"), s.open("bob")
	toAlice, toBob := s.peer("Bob2"), s.peer("Alice2")
	toAlice.mute, toBob.mute = true, true
	a := toAlice.call("alice")
	b := toBob.call("bob")
	a.forward(b)
	b.forward(a)
	alice.connected("Bob2")
	bob.connected("Alice2")
	alice.say("between us")
	bob.hears("Alice2", "between us")
	alice.delivered()
}
