package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/market"
)

// largeFile is a database whose backup takes several steps, made once for all tests.
var largeFile = sync.OnceValues(func() (file []byte, err error) {
	dir, err := os.MkdirTemp("", "foretick-large-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := Open(context.Background(), dir, Options{})
	if err != nil {
		return nil, err
	}
	rec := storetest.Series("A")
	err = s.PutSeries(context.Background(), rec)
	if err == nil {
		_, _, err = s.CommitBars(context.Background(), storetest.Bars(rec.ID(), 0, 50_000))
	}
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, File))
})

// large puts that database into a folder and opens it.
func large(t testing.TB, dir string) (*Store, market.SeriesID) {
	t.Helper()
	file, err := largeFile()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, File), file, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, storetest.Series("A").ID()
}

// TestBackupWhileWritten commits bars between the steps of a backup: each is committed at
// once, and none of them is in the backup, which holds what there was when it began.
func TestBackupWhileWritten(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "b.db")
	s, id := large(t, dir)
	n, verified := 50_000, false
	err := Backup(t.Context(), dir, out, BackupOptions{
		Progress: func(done, total int) {
			if _, err := os.Stat(out); err == nil {
				t.Error("the file has its name before it is whole")
			}
			if done < 1 || done > total {
				t.Errorf("%d of %d", done, total)
			}
			if _, _, err := s.CommitBars(t.Context(), storetest.Bars(id, n, n+500)); err != nil {
				t.Errorf("during the backup: %v", err)
			}
			n += 500
		},
		Verify: func(ctx context.Context, st store.Store) error {
			verified = true
			return st.CheckStorage(ctx, func(f store.Fault) { t.Errorf("%+v", f) })
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 50_000+3*500 || !verified {
		t.Fatalf("the backup took one step; verified: %t", verified)
	}
	for _, name := range leftovers(t, filepath.Dir(out)) {
		if name != "b.db" {
			t.Errorf("%s is left", name)
		}
	}
	restored := t.TempDir()
	if err := Restore(t.Context(), out, restored, "old", BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), restored, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Epoch() == s.Epoch() || r.Epoch() == "" {
		t.Errorf("epoch %q, that of the original is %q", r.Epoch(), s.Epoch())
	}
	if last, err := r.LastEvent(t.Context()); err != nil || last != 50_000 {
		t.Errorf("last event %d, %v", last, err)
	}
	if kept, _, err := r.CommitBars(t.Context(), storetest.Bars(id, 49_999, 50_010)); err != nil || kept != 10 {
		t.Errorf("going on: %d bars kept, %v", kept, err)
	}
}

// TestBackupGivenUp leaves nothing behind: stopped, not sound, no room, no database.
func TestBackupGivenUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	large(t, dir)
	stopped, stop := context.WithCancel(t.Context())
	odd := errors.New("odd")
	taken := filepath.Join(t.TempDir(), "taken.db")
	put(t, taken, []byte("a letter"))
	for _, c := range []struct {
		name, dir, out string
		ctx            context.Context
		opt            BackupOptions
		want           error
	}{
		{"stopped in the middle", dir, "", stopped, BackupOptions{Progress: func(int, int) { stop() }}, context.Canceled},
		{"not sound", dir, "", t.Context(), BackupOptions{Verify: func(context.Context, store.Store) error { return odd }}, odd},
		{"taken", dir, taken, t.Context(), BackupOptions{}, fs.ErrExist},
		{"a folder", dir, filepath.Dir(taken), t.Context(), BackupOptions{Replace: true}, fs.ErrExist},
		{"no folder", dir, filepath.Join(t.TempDir(), "no", "b.db"), t.Context(), BackupOptions{}, nil},
		{"no database", t.TempDir(), "", t.Context(), BackupOptions{}, store.ErrNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.out == "" {
				c.out = filepath.Join(t.TempDir(), "b.db")
			}
			before := leftovers(t, filepath.Dir(c.out))
			err := Backup(c.ctx, c.dir, c.out, c.opt)
			if c.name == "no folder" { // it is made
				if _, serr := os.Stat(c.out); err != nil || serr != nil {
					t.Errorf("%v, %v", err, serr)
				}
				return
			}
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if after := leftovers(t, filepath.Dir(c.out)); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("it leaves %q, before %q", after, before)
			}
		})
	}
	if err := Backup(t.Context(), dir, taken, BackupOptions{Replace: true}); err != nil {
		t.Errorf("replacing: %v", err)
	}
}

// TestBackupAfterKill finds what a killed backup has left, and what one that runs is at.
func TestBackupAfterKill(t *testing.T) {
	t.Parallel()
	dir, folder := t.TempDir(), t.TempDir()
	large(t, dir)
	dead := filepath.Join(folder, ".foretick-1.db"+partialSuffix)
	if err := os.Mkdir(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dead, lockName), []byte("1\n"))
	put(t, filepath.Join(dead, File), []byte("half a database"))
	live, err := partial(filepath.Join(folder, "live.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.remove()
	if err := Backup(t.Context(), dir, filepath.Join(folder, "live.db"), BackupOptions{}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("a backup that another process writes: %v", err)
	}
	if err := Backup(t.Context(), dir, filepath.Join(folder, "b.db"), BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(leftovers(t, folder)); got != "[.live.db.partial b.db]" {
		t.Errorf("there are %s", got)
	}
}

// TestBackupOfAnEarlierVersion is what one makes before an upgrade; it restores to the new
// version.
func TestBackupOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	name := fmt.Sprintf("%04d", current.newest())
	dir, out, to := unpack(t, name), filepath.Join(t.TempDir(), "b.db"), t.TempDir()
	upgraded := later("CREATE TABLE later (id INTEGER)")
	if err := Backup(t.Context(), dir, out, BackupOptions{schema: upgraded, Verify: func(context.Context, store.Store) error { return errors.New("not to be called") }}); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), out, to, "old", BackupOptions{schema: upgraded}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), to, Options{schema: upgraded})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	storetest.ExerciseEarlier(t, s, storetest.ReadEarlier(t, name))
}

// TestRestoreRefused leaves what is there as it is.
func TestRestoreRefused(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "b.db")
	s, _ := large(t, dir)
	if err := Backup(t.Context(), dir, out, BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	create(t, other)
	before, err := Inspect(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	letter, cut, newer := filepath.Join(t.TempDir(), "letter"), filepath.Join(t.TempDir(), "cut"), t.TempDir()
	put(t, letter, []byte(strings.Repeat("To my aunt. ", 1000)))
	whole, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	put(t, cut, whole[:len(whole)/2])
	create(t, newer)
	alter(t, newer, "PRAGMA user_version=999")
	odd := errors.New("odd")
	for _, c := range []struct {
		name, from, to string
		opt            BackupOptions
		want           error
	}{
		{"in use", out, dir, BackupOptions{Replace: true}, store.ErrLocked},
		{"not empty", out, other, BackupOptions{}, fs.ErrExist},
		{"no such file", out + "x", other, BackupOptions{Replace: true}, fs.ErrNotExist},
		{"no database", letter, other, BackupOptions{Replace: true}, store.ErrCorrupt},
		{"half a database", cut, other, BackupOptions{Replace: true}, store.ErrCorrupt},
		{"of a newer version", filepath.Join(newer, File), other, BackupOptions{Replace: true}, store.ErrVersion},
		{"not sound", out, other, BackupOptions{Replace: true, Verify: func(context.Context, store.Store) error { return odd }}, odd},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := Restore(t.Context(), c.from, c.to, "old", c.opt); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if after, err := Inspect(t.Context(), other); err != nil || after.Epoch != before.Epoch || after.LastEvent != before.LastEvent {
				t.Errorf("%+v, before %+v, %v", after, before, err)
			}
		})
	}
	if err := Restore(t.Context(), out, other, "old", BackupOptions{Replace: true}); err != nil {
		t.Fatal(err)
	}
	if kept, err := Inspect(t.Context(), filepath.Join(other, "old")); err != nil || kept.Epoch != before.Epoch || kept.LastEvent != before.LastEvent {
		t.Errorf("put aside: %+v, before %+v, %v", kept, before, err)
	}
	if now, err := Inspect(t.Context(), other); err != nil || now.LastEvent != 50_000 || now.Epoch == s.Epoch() {
		t.Errorf("restored: %+v, %v", now, err)
	}
}

// TestRestoreOverDamage puts a database aside that cannot be opened, with its log.
func TestRestoreOverDamage(t *testing.T) {
	t.Parallel()
	dir, out, broken := t.TempDir(), filepath.Join(t.TempDir(), "b.db"), t.TempDir()
	large(t, dir)
	if err := Backup(t.Context(), dir, out, BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(broken, File), []byte(strings.Repeat("damaged ", 5000)))
	put(t, filepath.Join(broken, File+"-wal"), []byte(strings.Repeat("damaged ", 500)))
	if err := Restore(t.Context(), out, broken, "old", BackupOptions{Replace: true}); err != nil {
		t.Fatal(err)
	}
	if now, err := Inspect(t.Context(), broken); err != nil || now.LastEvent != 50_000 {
		t.Errorf("%+v, %v", now, err)
	}
	if b, err := os.ReadFile(filepath.Join(broken, "old", File)); err != nil || !strings.HasPrefix(string(b), "damaged") {
		t.Errorf("put aside: %v", err)
	}
}

func leftovers(t *testing.T, folder string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}
