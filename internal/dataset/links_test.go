package dataset_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/dataset"
	"fx/internal/fail"
)

// link makes a link at path, below root, that leads to target.
func link(t testing.TB, root, target, path string) {
	t.Helper()
	if err := os.Symlink(target, filepath.Join(root, path)); err != nil {
		t.Fatal(err)
	}
}

// linkedToEachOther makes k folders, each with a photo and a link to each other one.
func linkedToEachOther(t *testing.T, k int) string {
	t.Helper()
	root := t.TempDir()
	for i := range k {
		plant(t, root, fmt.Sprintf("c%d/%d.jpg", i, i))
		for j := range k {
			if i != j {
				link(t, root, fmt.Sprintf("../c%d", j), fmt.Sprintf("c%d/to%d", i, j))
			}
		}
	}
	return root
}

// Folders with links to each other have more paths than there is memory.
func TestFoldersThatLinkToEachOther(t *testing.T) {
	const k = 9
	root := linkedToEachOther(t, k)
	d := scan(t, root)
	if len(d.Classes) != k || len(d.Items) != k*k { // each class has its photo and those that it links to, once
		t.Errorf("%d classes, %d photos", len(d.Classes), len(d.Items))
	}
	for _, i := range d.Items {
		if strings.Count(i.Rel, "/") > 2 {
			t.Errorf("%s is not the shortest path", i.Rel)
		}
	}
	if len(d.Skipped) != k*(k-1) { // a line for each link, whatever number of paths lead there
		t.Errorf("%d lines of what was skipped", len(d.Skipped))
	}
	notes := strings.Join(d.Notes, "; ")
	if !strings.Contains(notes, "c1/ and c0/to1/ are the same folder: its 1 photo counts in both") ||
		!strings.Contains(notes, "more folders count in two classes") {
		t.Errorf("notes %q", notes)
	}
	all, err := dataset.Photos(t.Context(), []string{root}, dataset.Options{})
	if err != nil || len(all.Items) != k {
		t.Errorf("%d photos to predict, %v", len(all.Items), err)
	}
	// The system follows some 40 links in a path.
	if d := scan(t, linkedToEachOther(t, 50)); len(d.Items) != 50*50 {
		t.Errorf("%d photos in 50 folders that link to each other", len(d.Items))
	}
}

// A tree that multiplies further than any that people make is refused.
func TestABlowUpOfLinksIsRefused(t *testing.T) {
	dataset.LowerMaxAgain(t, 100)
	root := linkedToEachOther(t, 9)
	_, err := dataset.Scan(t.Context(), root, dataset.Options{})
	if fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "more than 100 folders and photos a second time") ||
		!strings.Contains(fail.HintOf(err), "--no-follow-links") {
		t.Errorf("error %v", err)
	}
	if d, err := dataset.Scan(t.Context(), root, dataset.Options{NoFollowLinks: true}); err != nil ||
		len(d.Items) != 9 {
		t.Errorf("without links: %v", err)
	}
}

func TestAFolderCountsOnceInAClass(t *testing.T) {
	root := plant(t, t.TempDir(), "a/sub/1.jpg", "a/2.jpg", "b/3.jpg")
	link(t, root, "sub", "a/again")
	link(t, root, "../a/sub", "b/too")
	d := scan(t, root)
	items, skipped := brief(d)
	if items != "a/2.jpg=0 a/sub/1.jpg=0 b/3.jpg=1 b/too/1.jpg=1" {
		t.Errorf("items %s", items)
	}
	if skipped != "again: the same folder as a/sub/, which counts once in its class" {
		t.Errorf("skipped %s", skipped)
	}
	if want := "a/sub/ and b/too/ are the same folder: its 1 photo counts in both"; len(d.Notes) != 1 ||
		d.Notes[0] != want {
		t.Errorf("notes %q", d.Notes)
	}
	splits := plant(t, t.TempDir(), "train/a/1.jpg", "train/b/2.jpg")
	link(t, splits, "train", "val")
	link(t, splits, ".", "train/a/self")
	d = scan(t, splits)
	items, skipped = brief(d)
	if items != "train/a/1.jpg=0 train/b/2.jpg=1 val/a/1.jpg=0 val/b/2.jpg=1" ||
		skipped != "self: a link to a folder above it" {
		t.Errorf("items %s, skipped %s", items, skipped)
	}
	if len(d.Notes) != 2 || !strings.Contains(d.Notes[0], "train/a/ and val/a/ are the same folder") {
		t.Errorf("notes %q", d.Notes)
	}
}

func TestPhotosOutsideOfTheFolderAreCounted(t *testing.T) {
	elsewhere := plant(t, t.TempDir(), "1.jpg", "sub/2.jpg", "sub/3.jpg")
	root := plant(t, t.TempDir(), "a/4.jpg", "b/5.jpg", "hub/6.jpg")
	link(t, root, elsewhere+"/1.jpg", "a/1.jpg")
	link(t, root, elsewhere+"/sub", "b/sub")
	link(t, root, "../hub/6.jpg", "a/6.jpg") // stays inside
	link(t, root, "../b/sub/../1.jpg", "a/up.jpg")
	link(t, root, "1.jpg", "a/twice.jpg") // a link to a link
	d := scan(t, root)
	want := fmt.Sprintf("5 of the 9 photos lie outside of %s, behind links (--no-follow-links leaves them out)", root)
	if len(d.Notes) != 1 || d.Notes[0] != want {
		t.Errorf("notes %q\nwant %s", d.Notes, want)
	}
	again, err := dataset.Scan(t.Context(), root, dataset.Options{NoFollowLinks: true})
	if err != nil {
		t.Fatal(err)
	}
	items, skipped := brief(again)
	if items != "a/4.jpg=0 b/5.jpg=1 hub/6.jpg=2" || len(again.Notes) != 0 ||
		strings.Count(skipped, "a link, and --no-follow-links was given") != 5 {
		t.Errorf("items %s, skipped %s, notes %q", items, skipped, again.Notes)
	}
	if err := os.Mkdir(filepath.Join(root, "bad\xff"), 0o755); err == nil { // some file systems refuse it
		if d, err := dataset.Scan(t.Context(), root, dataset.Options{NoFollowLinks: true}); err != nil ||
			len(d.Items) != 3 {
			t.Errorf("a folder whose name is not UTF-8: %v", err)
		}
	}
	// The root itself is the user's own word.
	through := filepath.Join(t.TempDir(), "photos")
	link(t, filepath.Dir(through), root, "photos")
	if d, err := dataset.Scan(t.Context(), through, dataset.Options{NoFollowLinks: true}); err != nil ||
		len(d.Items) != 3 {
		t.Errorf("through a link: %v", err)
	}
	if d := scan(t, through); len(d.Notes) != 1 || !strings.HasPrefix(d.Notes[0], "5 of the 9") {
		t.Errorf("through a link: notes %q", d.Notes)
	}
}

// A file of 0 bytes may be one of the system that never ends: none is opened.
// Its class stays: it has photos, though none that can be used.
func TestFilesOfNoBytesAreLeftOut(t *testing.T) {
	root := plant(t, t.TempDir(), "a/1.jpg", "b/2.jpg")
	if err := os.MkdirAll(filepath.Join(root, "c"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "c/3.jpg"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	special := "/proc/kmsg" // 0 bytes by stat, and reading it waits for ever
	if _, err := os.Stat(special); err == nil {
		link(t, root, special, "b/kmsg.jpg")
	}
	d := scan(t, root)
	items, _ := brief(d)
	refused := d.Refused[len(d.Refused)-1]
	if items != "a/1.jpg=0 b/2.jpg=1" || fmt.Sprint(d.Classes) != "[a b c]" || refused.Rel != "c/3.jpg" ||
		refused.Label != 2 || refused.Reason != dataset.EmptyFile {
		t.Errorf("items %s, classes %v, refused %+v", items, d.Classes, d.Refused)
	}
	if all := d.Found(); len(all) != len(d.Items)+len(d.Refused) || all[0].Rel != "a/1.jpg" ||
		all[len(all)-1].Rel != "c/3.jpg" {
		t.Errorf("found %v", all)
	}
	if err := dataset.CheckLearnable(d.Classes, d.Count(""), 1, "", "photo"); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "no usable photo of c to train on") {
		t.Errorf("error %v", err)
	}
	list := writeList(t, root, "path,label\na/1.jpg,a\nb/2.jpg,b\nc/3.jpg,c\n")
	d = scan(t, list)
	if items, _ = brief(d); items != "a/1.jpg=0 b/2.jpg=1" || len(d.Refused) != 1 || d.Refused[0].Label != 2 ||
		len(d.Classes) != 3 {
		t.Errorf("items %s, classes %v, refused %+v", items, d.Classes, d.Refused)
	}
	for _, bad := range []string{filepath.Join(root, "c"), writeList(t, root, "path,label\nc/3.jpg,c\n")} {
		if _, err := dataset.Scan(t.Context(), bad, dataset.Options{}); fail.KindOf(err) != fail.Rejected ||
			!strings.Contains(err.Error(), dataset.EmptyFile) {
			t.Errorf("nothing but empty files: %v", err)
		}
	}
}

func TestAListWithoutLinks(t *testing.T) {
	root := plant(t, t.TempDir(), "photos/x/1.jpg", "photos/x/2.jpg", "3.jpg")
	link(t, root, "../../3.jpg", "photos/x/link.jpg")
	link(t, root, "..", "photos/up")
	list := writeList(t, filepath.Join(root, "photos"),
		"path,label\nx/1.jpg,a\nx/2.jpg,b\n../3.jpg,a\n"+root+"/3.jpg,b\nx/link.jpg,a\nup/3.jpg,a\n")
	d, err := dataset.Scan(context.Background(), list, dataset.Options{NoFollowLinks: true})
	if err != nil {
		t.Fatal(err)
	}
	items, skipped := brief(d)
	if items != "x/1.jpg=0 x/2.jpg=1" || len(d.Skipped) != 4 {
		t.Errorf("items %s, skipped %s", items, skipped)
	}
}

func TestPhotosInTheOrderOfNames(t *testing.T) {
	root := plant(t, t.TempDir(), "b.jpg", "b/1.jpg", "a/2.png", "a-b/3.jpg", "a/c/4.jpg", "a/note.txt", ".x/5.jpg")
	found, err := dataset.Photos(t.Context(), []string{filepath.Join(root, "gone.gif"), root}, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range found.Items {
		names = append(names, i.Rel)
	}
	if got := strings.Join(names[1:], " "); got != "a/2.png a/c/4.jpg a-b/3.jpg b/1.jpg b.jpg" ||
		found.Items[0].Size != -1 {
		t.Errorf("photos %s", got)
	}
	if len(found.Skipped) != 2 {
		t.Errorf("skipped %v", found.Skipped)
	}
	empty := plant(t, t.TempDir(), "1.jxl", "2.jxl")
	if _, err := dataset.Photos(t.Context(), []string{empty}, dataset.Options{}); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "2 × .jxl") || strings.Contains(fail.HintOf(err), "--extensions") ||
		!strings.Contains(fail.HintOf(err), "JPEG XL is not read: convert it") {
		t.Errorf("error %v, hint %q", err, fail.HintOf(err))
	}
}
