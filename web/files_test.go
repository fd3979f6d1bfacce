package web_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/dom"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// large makes TestALargeFile send 1 GB.
var large = flag.Bool("large", false, "send a file of 1 GB")

// chunkHold is run in a page before it connects. From then on a test can have the bytes of the next file wait in front of the page,
// after so many messages, and can speak in the page's name.
const chunkHold = `(() => {
	let left = Infinity, held = [], holds, newest = -1, before = 0;
	testing.holding = new Promise((resolve) => { holds = resolve; });
	const { set } = Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, "onmessage");
	Object.defineProperty(RTCDataChannel.prototype, "onmessage", { set(listener) {
		testing.channels[this.id] = this;
		set.call(this, this.id !== 101 ? listener : (event) => {
			// Bytes of a file that was cancelled may still come.
			const file = new DataView(event.data).getUint32(0);
			newest = Math.max(newest, file);
			if (file < before || left-- > 0) listener.call(this, event);
			else holds(held.push(() => listener.call(this, event)) > 0);
		});
	} });
	testing.channels = {};
	testing.holdAfter = (messages) => { left = messages; before = newest + 1; };
	testing.releaseBytes = () => { left = Infinity; held.splice(0).forEach((deliver) => deliver()); };
	const connections = [];
	globalThis.RTCPeerConnection = class extends RTCPeerConnection {
		constructor(...args) { super(...args); connections.push(this); }
	};
	testing.breakConnections = () => connections.splice(0).forEach((connection) => connection.close());
	testing.sayOfFile = (message) => {
		const body = new TextEncoder().encode(typeof message === "string" ? message : JSON.stringify(message));
		testing.channels[100].send(Uint8Array.of(9, ...body));
	};
})()`

// filePair opens two connected pages whose bytes of files can be held back.
func (s *service) filePair() (alice, bob *page) {
	s.t.Helper()
	alice, bob = s.open("alice"), s.open("bob")
	for _, p := range []*page{alice, bob} {
		p.large = true
		eval[bool](p, chunkHold+" ?? true")
	}
	alice.meets(bob)
	return alice, bob
}

// onDisk writes a file of random bytes and returns its path and SHA-256.
func onDisk(t testing.TB, name string, size int64) (string, [32]byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.New()
	random := rand.NewChaCha8([32]byte{1})
	if _, err := io.CopyN(io.MultiWriter(file, hash), random, size); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path, [32]byte(hash.Sum(nil))
}

// mayAttach waits until the other page has said which files it takes.
func (p *page) mayAttach() {
	p.t.Helper()
	p.untilIt("button", "Attach file", `function() { return this.getAttribute("aria-disabled") !== "true" }`)
}

// choose attaches files as a person does: by the button and the browser's dialog.
func (p *page) choose(paths ...string) {
	p.t.Helper()
	p.mayAttach()
	if _, err := chromedp.Call(p.ctx, cdppage.SetInterceptFileChooserDialog,
		cdppage.SetInterceptFileChooserDialogParams{Enabled: true}); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	opened, err := chromedp.Run(ctx, chromedp.WaitEvent(cdppage.FileChooserOpened, nil, chromedp.Func(
		func(context.Context, *chromedp.Target) error {
			p.click("button", "Attach file")
			return nil
		})))
	if err != nil {
		p.t.Fatalf("%s: the button Attach file opens no dialog: %v", p.name, err)
	}
	if _, err := chromedp.Call(p.ctx, dom.SetFileInputFiles,
		dom.SetFileInputFilesParams{Files: paths, BackendNodeID: opened.BackendNodeID}); err != nil {
		p.t.Fatalf("%s: choose %q: %v", p.name, paths, err)
	}
}

// save clicks on a received file's link and returns what the browser saves, its path and SHA-256.
func (p *page) save(name string) (string, [32]byte) {
	p.t.Helper()
	folder, enabled := p.t.TempDir(), true
	p.do(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
			Behavior: browser.SetDownloadBehaviorBehaviorAllow, BrowserContextID: chromedp.FromContext(ctx).BrowserContextID,
			DownloadPath: folder, EventsEnabled: &enabled,
		})
		return err
	})
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	events := chromedp.BrowserEvents(ctx, browser.DownloadProgress)
	p.click("link", "Save "+name)
	for event, err := range events {
		if err != nil {
			p.t.Fatalf("%s: save %s: %v", p.name, name, err)
		}
		if event.State == browser.DownloadProgressStateCompleted && filepath.Dir(event.FilePath) == folder {
			file, err := os.Open(event.FilePath)
			if err != nil {
				p.t.Fatal(err)
			}
			defer func() { _ = file.Close() }()
			hash := sha256.New()
			if _, err := io.Copy(hash, file); err != nil {
				p.t.Fatal(err)
			}
			return event.FilePath, [32]byte(hash.Sum(nil))
		}
	}
	p.t.Fatalf("%s: save %s: %v", p.name, name, ctx.Err())
	return "", [32]byte{}
}

// progressed waits until a file has come some way.
func (p *page) progressed(name string) {
	p.t.Helper()
	p.untilIt("progressbar", name, "function() { return this.value > 0 && this.value < this.max && this.hasAttribute('aria-valuetext') }")
}

func TestAFileGoesFromPageToPage(t *testing.T) {
	t.Parallel()
	for _, place := range []struct {
		name       string
		alice, bob bool // from disk
	}{
		{"from the service", false, false},
		{"from disk", true, true},
	} {
		t.Run(place.name, func(t *testing.T) {
			s := startService(t)
			alice, bob := s.openFrom("alice", place.alice), s.openFrom("bob", place.bob)
			alice.connectTo("bob")
			alice.connected("bob")
			names := []string{"empty.bin", "été <b>.txt", "notes.pdf"}
			sizes := []int64{0, 1, 1<<20 + 17} // the largest is in two blocks
			var paths []string
			var sums [][32]byte
			for i, name := range names {
				path, sum := onDisk(t, name, sizes[i])
				paths, sums = append(paths, path), append(sums, sum)
			}
			alice.choose(paths...)
			names[1] = "été _b_.txt" // As every system can save it.
			for _, name := range names {
				alice.find("button", "Cancel "+name)
				bob.find("button", "Decline "+name)
			}
			bob.shows("log", "Discussion", "1 MB")
			bob.shows("log", "Discussion", "application/pdf")
			for i, name := range names {
				bob.click("button", "Accept "+name)
				saved, sum := bob.save(name)
				if sum != sums[i] {
					t.Errorf("bob's %s is not what alice sent", name)
				}
				if filepath.Base(saved) != name {
					t.Errorf("bob's browser saves %s as %s", name, filepath.Base(saved))
				}
				alice.vanish("button", "Cancel "+name)
			}
			alice.shows("log", "Discussion", "Delivered and checked.")

			// And the other way.
			path, want := onDisk(t, "back.bin", 100_000)
			bob.choose(path)
			alice.click("button", "Accept back.bin")
			if _, sum := alice.save("back.bin"); sum != want {
				t.Error("alice's file is not what bob sent")
			}
		})
	}
}

func TestAFileIsDeclined(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.filePair()
	path, _ := onDisk(t, "x.bin", 1<<20)
	eval[bool](bob, "testing.holdAfter(0) ?? true")
	alice.choose(path)
	bob.click("button", "Decline x.bin")
	alice.shows("log", "Discussion", "bob declined it.")
	bob.shows("log", "Discussion", "You declined it.")
	alice.absent("progressbar", "x.bin")
	bob.absent("link", "Save x.bin")
}

// stillSent is the size of a file that is still being sent after the receiver has taken 202 messages (3.3 MB): the sender may be 16 MB
// ahead and no more.
const stillSent = 20 << 20

func TestAFileIsCancelledOnEitherSideAndTextsPassItMeanwhile(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.filePair()
	for _, who := range []struct{ canceller, other *page }{{alice, bob}, {bob, alice}} {
		name := "by " + who.canceller.name + ".bin"
		path, _ := onDisk(t, name, stillSent)
		eval[bool](bob, "testing.holdAfter(200) ?? true")
		alice.choose(path)
		bob.click("button", "Accept "+name)
		alice.progressed(name)
		bob.progressed(name)
		alice.say("meanwhile, " + name)
		bob.hears("alice", "meanwhile, "+name)
		bob.say("I see " + name)
		alice.hears("bob", "I see "+name)

		who.canceller.click("button", "Cancel "+name)
		who.canceller.shows("log", "Discussion", "You cancelled it.")
		who.other.shows("log", "Discussion", who.canceller.name+" cancelled it.")
		who.other.absent("button", "Cancel "+name)
		bob.absent("link", "Save "+name)
		eval[bool](bob, "testing.releaseBytes() ?? true")
	}
	// The way is free again.
	path, want := onDisk(t, "after.bin", 1<<20)
	alice.choose(path)
	bob.click("button", "Accept after.bin")
	if _, sum := bob.save("after.bin"); sum != want {
		t.Error("the file after those that were cancelled is not what alice sent")
	}
}

func TestAFileGoesOnWhereItWasWhenTheConnectionBroke(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"somebody disconnects", "the connection is lost"} {
		t.Run(how, func(t *testing.T) {
			s := startService(t)
			alice, bob := s.filePair()
			held, size := 200, 6<<20
			if long() {
				held, size = 600, 24<<20
			}
			path, want := onDisk(t, "x.bin", int64(size))
			eval[bool](bob, fmt.Sprintf("testing.holdAfter(%d) ?? true", held))
			alice.choose(path)
			bob.click("button", "Accept x.bin")
			eval[bool](bob, "testing.holding")
			alice.progressed("x.bin")
			bob.progressed("x.bin")
			// The page may connect again at once, so the next channel is watched before this one breaks.
			eval[bool](bob, `(() => {
				globalThis.fresh = 0;
				const { set } = Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, "onmessage");
				Object.defineProperty(RTCDataChannel.prototype, "onmessage", { set(listener) {
					set.call(this, (event) => {
						if (this.id === 101) globalThis.fresh += event.data.byteLength - 4;
						listener.call(this, event);
					});
				} });
			})() ?? true`)
			// What is shown until then may be gone before the test looks.
			for _, p := range []*page{alice, bob} {
				eval[bool](p, `(() => {
					const look = () => { globalThis.interrupted ||= document.querySelector("[role=log]").textContent.includes("Interrupted."); };
					new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
				})() ?? true`)
			}
			if how == "somebody disconnects" {
				bob.click("button", "Disconnect from alice")
			} else {
				eval[bool](bob, "testing.breakConnections() ?? true")
			}
			for _, p := range []*page{alice, bob} {
				p.until("the file is interrupted", func(context.Context) (bool, error) { return eval[bool](p, "globalThis.interrupted === true"), nil })
			}
			if how == "somebody disconnects" {
				alice.vanish("button", "Disconnect from bob")
				bob.vanish("button", "Disconnect from alice")
			}

			eval[bool](bob, "testing.releaseBytes() ?? true")
			alice.connectTo("bob")
			alice.connected("bob")
			if _, sum := bob.save("x.bin"); sum != want {
				t.Error("bob's file is not what alice sent")
			}
			// So many messages had come before.
			if fresh, want := eval[int](bob, "fresh"), size-held*16380; fresh != want {
				t.Errorf("%d bytes came after the break, want the %d that had not come before", fresh, want)
			}
			alice.shows("log", "Discussion", "Delivered and checked.")
		})
	}
}

func TestAFileGoesOnAfterItsReceiverHasLoadedThePageAgain(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.filePair()
	held, size := 1152, int64(20<<20) // 18 blocks, the first 16 of them safe
	if long() {
		held, size = 1600, 40<<20
	}
	path, want := onDisk(t, "x.bin", size)
	eval[bool](bob, fmt.Sprintf("testing.holdAfter(%d) ?? true", held))
	alice.choose(path)
	bob.click("button", "Accept x.bin")
	bob.until("what came before the hold", func(ctx context.Context) (bool, error) {
		return eval[float64](bob, `document.querySelector("progress")?.value ?? 0`) == float64(held)*16380, nil
	})
	// The person is asked whether to leave, and wants to.
	dialogs := chromedp.Events(bob.ctx, cdppage.JavascriptDialogOpening)
	go func() {
		for _, err := range dialogs {
			if err == nil {
				_, _ = chromedp.Call(bob.ctx, cdppage.HandleJavaScriptDialog, cdppage.HandleJavaScriptDialogParams{Accept: true})
			}
		}
	}()
	bob.navigate(s.url())
	bob.join("bob")
	alice.vanish("button", "Disconnect from bob")
	eval[bool](bob, chunkHold+" ?? true")
	eval[bool](bob, `(() => {
		globalThis.fresh = 0;
		const { set } = Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, "onmessage");
		Object.defineProperty(RTCDataChannel.prototype, "onmessage", { set(listener) {
			set.call(this, (event) => {
				if (this.id === 101) globalThis.fresh += event.data.byteLength - 4;
				listener.call(this, event);
			});
		} });
	})() ?? true`)
	alice.connectTo("bob")
	if _, sum := bob.save("x.bin"); sum != want {
		t.Error("bob's file is not what alice sent")
	}
	if fresh := eval[int64](bob, "fresh"); fresh != size-16*64*16380 {
		t.Errorf("%d bytes came after the page was loaded again, want %d", fresh, size-16*64*16380)
	}
	if entries := eval[int](bob, `document.querySelectorAll("li.transfer").length`); entries != 1 {
		t.Errorf("the file has %d entries, want one", entries)
	}
}

// pixel is a PNG of one red pixel.
const pixel = `iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC`

// transferOf makes a DataTransfer with a file in it.
func transferOf(name, mime, base64 string) string {
	return fmt.Sprintf(`(() => {
		const data = new DataTransfer();
		data.items.add(new File([Uint8Array.from(atob(%q), (c) => c.charCodeAt(0))], %q, { type: %q }));
		return data;
	})()`, base64, name, mime)
}

// pictured waits until a picture is shown.
func (p *page) pictured(name string) {
	p.t.Helper()
	p.untilIt("image", name, "function() { return this.complete && this.naturalWidth > 0 }")
}

func TestPicturesArePastedDroppedAndShown(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.filePair()
	alice.mayAttach()
	eval[bool](alice, `document.querySelector("textarea").dispatchEvent(
		new ClipboardEvent("paste", { clipboardData: `+transferOf("image.png", "image/png", pixel)+`, bubbles: true, cancelable: true })) || true`)
	alice.pictured("image.png")
	bob.find("button", "Accept image.png")
	bob.absent("image", "image.png")
	bob.click("button", "Accept image.png")
	bob.pictured("image.png")

	// Anywhere on the conversation.
	drop := func(data string) bool {
		return eval[bool](alice, `(() => {
			const data = `+data+`;
			const at = document.querySelector("[role=log]");
			for (const type of ["dragenter", "dragover", "drop"]) {
				const event = new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true });
				at.dispatchEvent(event);
				if (type !== "dragenter" && !event.defaultPrevented) return false;
			}
			return true;
		})()`)
	}
	if !drop(transferOf("drop.png", "image/png", pixel)) {
		t.Error("the browser would open the file that was dropped in the page's place")
	}
	bob.click("button", "Accept drop.png")
	bob.pictured("drop.png")

	// A picture by its bytes, whatever it says it is; and what can hold a script is none.
	drop(transferOf("odd.txt", "text/plain", pixel))
	bob.click("button", "Accept odd.txt")
	bob.pictured("odd.txt")
	drop(transferOf("evil.png", "image/png", "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4="))
	bob.click("button", "Accept evil.png")
	bob.find("link", "Save evil.png")
	bob.absent("image", "evil.png")
	// Text that a word processor puts beside a picture of it is meant as text.
	if pasted := eval[bool](alice, `(() => {
		const data = `+transferOf("image.png", "image/png", pixel)+`;
		data.setData("text/plain", "words");
		return document.querySelector("textarea").dispatchEvent(
			new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
	})()`); !pasted {
		t.Error("text beside a picture cannot be pasted")
	}
	// A file manager puts the file's name beside it.
	if pasted := eval[bool](alice, `(() => {
		const data = `+transferOf("holiday.png", "image/png", pixel)+`;
		data.setData("text/plain", "holiday.png");
		return document.querySelector("textarea").dispatchEvent(
			new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
	})()`); pasted {
		t.Error("a file's name is pasted in its place")
	}
	alice.pictured("holiday.png")

	// A folder is left out, and that is said.
	eval[any](alice, `DataTransferItem.prototype.webkitGetAsEntry = function () {
		const { name } = this.getAsFile();
		return { name, isDirectory: name === "folder" };
	}`)
	drop(`(() => {
		const data = ` + transferOf("beside.png", "image/png", pixel) + `;
		data.items.add(new File([], "folder"));
		return data;
	})()`)
	alice.pictured("beside.png")
	alice.shows("alert", "", "Folders cannot be sent: folder. Choose the files in them instead. The other files were offered.")
	drop(`(() => {
		const data = new DataTransfer();
		data.items.add(new File([], "folder"));
		return data;
	})()`)
	alice.until("another alert", func(context.Context) (bool, error) {
		return !strings.Contains(alice.read("alert", ""), "other files"), nil
	})

	// A link goes to the field, and does not take the place of the page.
	link := `(() => {
		const data = new DataTransfer();
		data.setData("text/uri-list", "https://example.com/a");
		return data;
	})()`
	alice.fill("Message", "see")
	if !drop(link) {
		t.Error("the browser would open the link that was dropped in the page's place")
	}
	alice.writes("see https://example.com/a")
	if !eval[bool](alice, `!document.querySelector("h1").dispatchEvent(new DragEvent("drop", { dataTransfer: `+link+`, bubbles: true, cancelable: true }))`) {
		t.Error("the browser would open the link that was dropped beside the conversation")
	}
}

// blackPNG is a black picture, in base64. It has a bit for each pixel, and is small.
func blackPNG(width, height uint32) string {
	chunk := func(kind string, content []byte) []byte {
		sized := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
		body := append([]byte(kind), content...)
		return binary.BigEndian.AppendUint32(append(sized, body...), crc32.ChecksumIEEE(body))
	}
	var rows bytes.Buffer
	deflate := zlib.NewWriter(&rows)
	row := make([]byte, 1+(width+7)/8)
	for range height {
		_, _ = deflate.Write(row) // A buffer takes all.
	}
	_ = deflate.Close()
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)
	file := slices.Concat([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", append(header, 1, 0, 0, 0, 0)), chunk("IDAT", rows.Bytes()), chunk("IEND", nil))
	return base64.StdEncoding.EncodeToString(file)
}

func TestALargePictureIsShownSmallOrNotAtAll(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.filePair()
	for _, p := range []*page{alice, bob} {
		p.draw() // A browser decodes a picture when it draws it.
	}
	alice.mayAttach()
	for _, picture := range []struct {
		name          string
		width, height uint32
	}{{"huge.png", 20_000, 20_000}, {"wide.png", 1_000_000, 60}, {"photo.png", 5_000, 4_000}, {"pixel.png", 1, 1}} {
		eval[bool](alice, `document.querySelector("textarea").dispatchEvent(new ClipboardEvent("paste", {
			clipboardData: `+transferOf(picture.name, "image/png", blackPNG(picture.width, picture.height))+`, bubbles: true, cancelable: true })) || true`)
		bob.click("button", "Accept "+picture.name)
		// After that the next offer is not moved under the pointer.
		bob.until("what is shown of "+picture.name, func(context.Context) (bool, error) {
			return eval[bool](bob, `(() => {
				const last = [...document.querySelectorAll(".transfer")].at(-1);
				return (last.querySelector("img")?.complete === true || last.textContent.includes("too large"));
			})()`), nil
		})
	}
	for _, p := range []*page{alice, bob} {
		// The copy of a photo has 1,280 pixels on its longer side.
		p.untilIt("image", "photo.png", "function() { return this.naturalWidth === 1280 && this.naturalHeight === 1024 }")
		p.pictured("pixel.png")
		p.absent("image", "huge.png")
		p.absent("image", "wide.png")
		p.until("words about the pictures that are too large", func(context.Context) (bool, error) {
			return eval[int](p, `[...document.querySelectorAll(".file-state")].filter((e) => e.textContent.startsWith("This picture is too large to be shown here.")).length`) == 2, nil
		})
	}
}

func TestWhatIsTooLargeIsSaidOnBothSidesBeforeItGoes(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	eval[bool](alice, chunkHold+" ?? true")
	// From disk a page has no disk of its own.
	bob := newPage(t, "bob", fromDisk(t, "index.html", s.address))
	bob.join("bob")
	alice.connectTo("bob")
	alice.connected("bob")
	path := filepath.Join(t.TempDir(), "film.mkv")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 300e6); err != nil { // It takes no room.
		t.Fatal(err)
	}
	alice.choose(path)
	alice.shows("alert", "", "film.mkv is too large: the browser of bob currently accepts files up to 256 MB.")
	bob.absent("button", "Accept film.mkv")

	small, _ := onDisk(t, "small.bin", 1000)
	alice.choose(small)
	bob.shows("log", "Discussion", "This browser accepts files up to 256 MB.")

	// A page that offers it all the same.
	eval[bool](alice, `(testing.channels[100].onmessage = null, true)`)
	eval[bool](alice, `testing.sayOfFile({ file: "offer", id: 4000, name: "huge.bin", size: 10e9, type: "" }) ?? true`)
	bob.shows("log", "Discussion", "huge.bin")
	bob.shows("log", "Discussion", "10 GB")
	bob.shows("log", "Discussion", "Too large: this browser currently accepts files up to 256 MB.")
	bob.connected("alice")
}

func TestAHostilePageAndItsFiles(t *testing.T) {
	t.Parallel()
	s := startService(t)
	bob := newPage(t, "bob", s.url())
	offer := func(id int, name string, size any, mime string) []byte {
		return fileFrame(map[string]any{"file": "offer", "id": id, "name": name, "size": size, "type": mime})
	}
	raw := func(text string) []byte { return append([]byte{frameFile}, text...) }
	for _, attack := range []struct {
		name  string
		does  func(l *line)
		shows string
	}{
		{"bytes before acceptance", func(l *line) {
			l.send(offer(1, "x", 4, ""))
			l.sendBulk([]byte{0, 0, 0, 1, 1, 2, 3, 4})
		}, "could not be read"},
		{"bytes of no file", func(l *line) { l.sendBulk([]byte{0, 0, 0, 9, 1}) }, "could not be read"},
		{"a negative size", func(l *line) { l.send(offer(1, "x", -1, "")) }, "could not be read"},
		{"a size that is none", func(l *line) {
			l.send(raw(`{"file":"offer","id":1,"name":"x","type":"","size":1e999}`))
		}, "could not be read"},
		{"no JSON", func(l *line) { l.send(raw("{")) }, "could not be read"},
		{"10 GB", func(l *line) { l.send(offer(1, "huge.bin", 1e15, "")) }, "Too large"},
		{"a name with all in it", func(l *line) {
			l.send(offer(1, "../../<img src=x onerror=alert(1)>\u202egnp.exe", 4, "<b>x</b>"))
		}, "_..__img src=x onerror=alert(1)_gnp.exe"},
		{"thousands of offers", func(l *line) {
			for id := 1; id < 3000; id++ {
				l.send(offer(id, fmt.Sprint("n", id), 4, ""))
			}
		}, "n32"},
		{"a wrong SHA-256", func(l *line) { l.send(offer(1, "wrong.bin", 1, "")) }, "wrong.bin"},
	} {
		t.Run(attack.name, func(t *testing.T) {
			eve := s.peer("eve with " + attack.name) // Each has a discussion of her own.
			bob.join("bob")
			l := eve.call("bob")
			for !strings.Contains(string(l.await(frameFile)), `"limit"`) {
			}
			bob.connected(eve.login)
			attack.does(l)
			bob.shows("log", "Discussion", attack.shows)
			switch attack.name {
			case "thousands of offers":
				l.say(1, "hi")
				bob.hears(eve.login, "hi")
				if buttons := eval[int](bob, `document.querySelectorAll("[aria-label^=Accept]").length`); buttons != 32 {
					t.Errorf("%d offers are to be decided about, want 32", buttons)
				}
			case "a wrong SHA-256":
				bob.click("button", "Accept wrong.bin")
				for !strings.Contains(string(l.await(frameFile)), `"accept"`) {
				}
				l.sendBulk([]byte{0, 0, 0, 1, 7})
				l.sendBulk([]byte{0, 0, 0, 1})
				l.send(fileFrame(map[string]any{"file": "done", "id": 1, "sha256": strings.Repeat("0", 64)}))
				bob.shows("log", "Discussion", "It did not arrive as it was sent.")
				bob.absent("link", "Save wrong.bin")
			}
			bob.click("button", "Sign out")
			bob.find("button", "Join")
		})
	}
}

func TestAClientWithoutFilesIsExplained(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, seed := s.open("alice"), s.original("seed")
	alice.click("button", "Attach file")
	alice.shows("alert", "", "Nobody is connected yet.")
	alice.connectTo("seed")
	alice.connected("seed")
	_ = seed
	alice.click("button", "Attach file")
	alice.shows("alert", "", "The page of seed does not accept files.")
}

func TestFilesAreAccessible(t *testing.T) {
	t.Parallel()
	rules := axeRules(t)
	type screen struct {
		scheme string
		width  int64
	}
	// The sender's screen, and the receiver's. With P2P_TEST_LONG each has both.
	rows := [][2]screen{{{"light", 360}, {"dark", 1000}}}
	if long() {
		rows = append(rows, [2]screen{rows[0][1], rows[0][0]})
	}
	for _, row := range rows {
		t.Run(fmt.Sprintf("%s %d", row[0].scheme, row[0].width), func(t *testing.T) {
			s := startService(t)
			alice, bob := s.filePair()
			waiting, _ := onDisk(t, strings.Repeat("a very long name ", 10)+".bin", 1000)
			under, _ := onDisk(t, "under way.bin", stillSent)
			done, _ := onDisk(t, "done.bin", 1000)
			eval[bool](bob, "testing.holdAfter(202) ?? true")
			alice.choose(done, under, waiting)
			bob.click("button", "Accept done.bin")
			bob.find("link", "Save done.bin")
			bob.click("button", "Accept under way.bin")
			for i, p := range []*page{alice, bob} {
				screen := row[i]
				p.progressed("under way.bin")
				p.view(screen.width, 700, screen.scheme)
				eval[bool](p, "Promise.allSettled(document.getAnimations().map((a) => a.finished)).then(() => true)")
				p.axe(rules)
				if wide := eval[bool](p, "document.documentElement.scrollWidth > innerWidth"); wide {
					t.Errorf("%s: wider than the screen", p.name)
				}
				if *writeScreenshot {
					if err := os.WriteFile(filepath.Join(os.TempDir(), "files-"+p.name+"-"+screen.scheme+".png"), p.screenshot(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// memory is the JavaScript heap of the page's process, in bytes.
func (p *page) memory() float64 { return eval[float64](p, "performance.memory.usedJSHeapSize") }

func TestALargeFile(t *testing.T) {
	t.Parallel()
	size := int64(17 << 20) // more than a sender may be ahead
	switch {
	case *large:
		size = 1 << 30
	case long():
		size = 64 << 20
	}
	s := startService(t)
	// In a browser context of its own, as in a private window, what is "on disk" is in the browser's memory.
	alice, bob := newPageOnDisk(t, "alice", s.url()), newPageOnDisk(t, "bob", s.url())
	alice.join("alice")
	bob.join("bob")
	alice.meets(bob)
	path, want := onDisk(t, "large.bin", size)
	alice.choose(path)
	bob.find("button", "Accept large.bin")
	aliceBefore, bobBefore := alice.memory(), bob.memory()
	started := time.Now()
	bob.click("button", "Accept large.bin")
	var most float64
	for came := false; !came; { // However long it takes, as long as it goes on.
		var last float64
		bob.until("progress of large.bin", func(ctx context.Context) (bool, error) {
			most = max(most, bob.memory()-bobBefore, alice.memory()-aliceBefore)
			state := eval[[2]float64](bob, `[document.querySelector("progress")?.value ?? 0, document.querySelectorAll("a[download]").length]`)
			went := state[0] >= last+64e6
			if last == 0 {
				last, went = max(state[0], 1), false
			}
			came = state[1] == 1
			return came || went, nil
		})
	}
	took := time.Since(started)
	t.Logf("%d MB in %v: %.1f MB/s; the pages' heaps grew by %.0f MB at most", size/1e6, took.Round(time.Millisecond),
		float64(size)/1e6/took.Seconds(), most/1e6)
	bob.find("link", "Save large.bin")
	if _, sum := bob.save("large.bin"); sum != want {
		t.Error("bob's file is not what alice sent")
	}
	if limit := min(200e6, 3*float64(size)); most > limit {
		t.Errorf("a page's heap grew by %.0f MB, want %.0f at most", most/1e6, limit/1e6)
	}
}

// A file of 16 MB from page to page, from Accept until it is checked and can be saved.
func BenchmarkAFile(b *testing.B) {
	const size = 16 << 20
	s := startService(b)
	alice, bob := s.pair()
	b.SetBytes(size)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		name := fmt.Sprintf("file %d.bin", i)
		path, _ := onDisk(b, name, size)
		alice.choose(path)
		bob.find("button", "Accept "+name)
		b.StartTimer()
		bob.click("button", "Accept "+name)
		bob.find("link", "Save "+name)
	}
}

func TestFilesPassBetweenFirefoxAndChromium(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	fox := s.openInFirefox("fox")
	eval[bool](fox, `(() => {
		const { createObjectURL } = URL;
		URL.createObjectURL = (blob) => { globalThis.received = blob; return createObjectURL.call(URL, blob); };
		return true;
	})()`)
	alice.meets(fox)

	size := int64(3<<20 + 5)
	if long() {
		size = 17<<20 + 5 // more than a sender may be ahead
	}
	path, want := onDisk(t, "to the fox.bin", size)
	alice.choose(path)
	fox.click("button", "Accept to the fox.bin")
	fox.sees("link", "Save to the fox.bin")
	if sum := eval[string](fox, `received.arrayBuffer().then((bytes) => crypto.subtle.digest("SHA-256", bytes))
		.then((sum) => Array.from(new Uint8Array(sum), (byte) => byte.toString(16).padStart(2, "0")).join(""))`); sum != fmt.Sprintf("%x", want) {
		t.Error("Firefox has not received what alice sent")
	}
	alice.shows("log", "Discussion", "Delivered and checked.")

	path, want = onDisk(t, "from the fox.bin", 1<<20+17)
	fields, err := fox.locate(fox.ctx, "css", "input[type=file]", nil)
	if err != nil || len(fields) != 1 {
		t.Fatalf("the field for files: %v, %v", fields, err)
	}
	fox.setFiles(fields[0], path)
	alice.click("button", "Accept from the fox.bin")
	if _, sum := alice.save("from the fox.bin"); sum != want {
		t.Error("alice has not received what Firefox sent")
	}
	fox.shows("log", "Discussion", "Delivered and checked.")
}

// filesOnDisk counts the files that a page has on disk.
const filesOnDisk = `(async () => {
	const count = async (directory) => {
		let files = 0;
		for await (const handle of directory.values()) files += handle.kind === "file" ? 1 : await count(handle);
		return files;
	};
	for (;;) {
		try {
			return await count(await navigator.storage.getDirectory());
		} catch (e) {
			if (e.name !== "NotFoundError") throw e; // a folder was deleted meanwhile: count again
		}
	}
})()`

func TestOffTheRecordFilesAreNotWrittenDown(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.filePair()
	bob.toggle("Off the record")
	path, want := onDisk(t, "small.bin", 1000)
	alice.choose(path)
	bob.click("button", "Accept small.bin")
	if _, sum := bob.save("small.bin"); sum != want {
		t.Error("bob's file is not what alice sent")
	}
	if kept := eval[int](bob, filesOnDisk); kept != 0 {
		t.Errorf("off the record %d files are on disk", kept)
	}
	// The memory has less room, which alice's page knows.
	path = filepath.Join(t.TempDir(), "film.mkv")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 300e6)); err != nil {
		t.Fatal(err)
	}
	alice.choose(path)
	alice.shows("alert", "", "film.mkv is too large: the browser of bob currently accepts files up to 256 MB.")

	bob.toggle("Off the record")
	path, _ = onDisk(t, "on record.bin", 1000)
	alice.choose(path)
	bob.click("button", "Accept on record.bin")
	bob.find("link", "Save on record.bin")
	if kept := eval[int](bob, filesOnDisk); kept == 0 {
		t.Error("a file is not on disk, so that this shows nothing")
	}
}

func TestDeleteEverythingDeletesFilesThatHaveComeAndThoseUnderWay(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.filePair()
	done, _ := onDisk(t, "done.bin", 1000)
	under, _ := onDisk(t, "under way.bin", 24<<20)
	eval[bool](bob, "testing.holdAfter(1200) ?? true")
	alice.choose(done, under)
	bob.click("button", "Accept done.bin")
	bob.find("link", "Save done.bin")
	bob.click("button", "Accept under way.bin")
	bob.progressed("under way.bin")
	if kept := eval[int](bob, filesOnDisk); kept < 2 {
		t.Errorf("%d files are on disk before, want 2 at least", kept)
	}
	bob.click("button", "Settings")
	bob.click("button", "Delete everything")
	bob.click("button", "Delete")
	bob.find("button", "Join")
	alice.vanish("button", "Disconnect from bob")
	// A write that is under way ends first.
	for deadline := time.Now().Add(patience); eval[int](bob, filesOnDisk) > 0; {
		if time.Now().After(deadline) {
			t.Fatal("files are on disk still")
		}
	}
}
