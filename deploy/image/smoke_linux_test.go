package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/foretick/foretick/deploy/internal/program"
)

// TestSmoke runs what is in the image as the image says: as nobody, with nothing to write to but
// /data and /tmp, until a forecast has been judged; then it asks it to stop. FORETICK_SMOKE=runc
// (make image-smoke) runs it in a container of 64 MB and half a processor, which needs root;
// otherwise it runs in the unpacked folder as its root.
func TestSmoke(t *testing.T) {
	t.Chdir("../..")
	o, err := program.Discover(t.Context(), "", os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	c, err := contentOf(t.Context(), o, program.Platform{OS: "linux", Arch: runtime.GOARCH})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for at := dir; at != os.TempDir() && len(at) > 1; at = filepath.Dir(at) { // nobody must get there
		_ = os.Chmod(at, 0o755)
	}
	root := filepath.Join(dir, "rootfs")
	if err := c.unpack(root); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(root, 0o755) }) // to be removed
	before := tree(t, root)

	var log bytes.Buffer
	cmd := inFolder(root, c)
	if os.Getenv("FORETICK_SMOKE") == "runc" {
		cmd = inContainer(t, dir, c)
	}
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: a program is run as another user in a folder of its own; that needs root, or a system that lets users make namespaces", err)
	}
	stopped := false
	defer func() {
		if !stopped {
			_ = cmd.Process.Signal(syscall.SIGTERM) // runc passes it on
			_ = cmd.Wait()
		}
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	url := regexp.MustCompile(`http://[0-9.a-z:]+`).FindString(line)
	if url == "" {
		t.Fatalf("no address in %q: %v\n%s", line, err, &log)
	}
	r, err := http.Get(url + "/readyz")
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("/readyz: %v %v\n%s", r, err, &log)
	}
	r.Body.Close()
	judged(t, url)

	memory, err := resident(url)
	if err != nil {
		t.Error(err)
	}
	t.Logf("resident memory %.1f MB after the first score", memory/1e6)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	stopped = true
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopping: %v\n%s", err, &log)
	}
	if after := tree(t, root); !slices.Equal(before, after) {
		t.Errorf("the root was written to: %v before, %v after", before, after)
	}
}

// inFolder runs the program with the folder as its root, and in a namespace of the user where the
// tests are not run by root.
func inFolder(root string, c *content) *exec.Cmd {
	cmd := exec.Command("/foretick", "serve", "--addr", "127.0.0.1:0")
	cmd.Dir = "/"
	cmd.Env = c.settings().Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Pdeathsig: syscall.SIGKILL, Credential: &syscall.Credential{Uid: user, Gid: user}}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.Credential.NoSetGroups = true
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: user, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getgid(), Size: 1}}
	}
	return cmd
}

// inContainer runs the program with runc: read-only root, no capabilities, no new privileges, 64 MB
// of memory, half a processor.
func inContainer(t *testing.T, dir string, c *content) *exec.Cmd {
	t.Helper()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(data, user, user); err != nil {
		t.Fatalf("%v: runc is run as root here", err)
	}
	type m = map[string]any
	spec := m{
		"ociVersion": "1.0.2",
		"root":       m{"path": "rootfs", "readonly": true},
		"process": m{
			"user": m{"uid": user, "gid": user}, "cwd": "/", "env": c.settings().Env, "noNewPrivileges": true, "capabilities": m{},
			"args": []string{"/foretick", "serve", "--addr", "127.0.0.1:0"},
		},
		"mounts": []m{
			{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/data", "type": "bind", "source": data, "options": []string{"bind", "rw", "nosuid", "nodev"}},
			{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "nodev", "size=16m", "mode=1777"}},
		},
		"linux": m{
			"namespaces": []m{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}},
			"resources":  m{"memory": m{"limit": 64 << 20}, "cpu": m{"quota": 50_000, "period": 100_000}},
		},
	}
	b, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	name := "foretick-smoke-" + filepath.Base(filepath.Dir(dir))
	t.Cleanup(func() { _ = exec.Command("runc", "delete", "--force", name).Run() }) // gone when it stopped by itself
	return exec.Command("runc", "run", "--bundle", dir, name)
}

// tree lists what is in the root but for the folders that may be written to.
func tree(t *testing.T, root string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == "dev" || d.Name() == "proc" {
			return fs.SkipDir // runc makes places for what it mounts
		}
		list = append(list, path)
		if d.IsDir() && (d.Name() == "data" || d.Name() == "tmp") {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// judged waits for a score on the stream.
func judged(t *testing.T, url string) {
	t.Helper()
	client := http.Client{Timeout: time.Minute}
	r, err := client.Get(url + "/v1/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if lines.Text() == "event: score" {
			return
		}
	}
	t.Fatalf("no forecast was judged: %v", lines.Err())
}

// resident is the memory that the program says it uses, in bytes. Without /proc it is what the Go
// runtime has of the system.
func resident(url string) (float64, error) {
	r, err := http.Get(url + "/metrics")
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	lines := bufio.NewScanner(r.Body)
	v := 0.0
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if name == "process_resident_memory_bytes" || v == 0 && name == "go_memstats_sys_bytes" {
			if err := json.Unmarshal([]byte(value), &v); err != nil {
				return 0, err
			}
		}
	}
	return v, lines.Err()
}
