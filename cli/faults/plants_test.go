//go:build linux

package faults

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A plant is a fault put into the code of fx, and the test that has to fail there.
type plant struct {
	name    string
	file    string // below the root of the module
	code    string // stands in the file once
	changed string // stands there instead
	pkg     string // of the test, below the root of the module
	test    string // the test, with its subtest after a slash, as regular expressions for -run
}

// plantInto returns the text of the plant's file with the fault in it.
func (p plant) plantInto(t *testing.T, root string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(p.file)))
	if err != nil {
		t.Fatalf("move the plant: %v", err)
	}
	if n := bytes.Count(text, []byte(p.code)); n != 1 {
		t.Fatalf("move the plant: its code stands in %s %d times, not once:\n%s", p.file, n, p.code)
	}
	return bytes.Replace(text, []byte(p.code), []byte(p.changed), 1)
}

// TestEveryPlantHasItsPlace is the cheap part of TestPlantedFaults: whoever changes
// code that a plant stands in moves the plant with it.
func TestEveryPlantHasItsPlace(t *testing.T) {
	for _, p := range plants {
		t.Run(p.name, func(t *testing.T) { p.plantInto(t, filepath.Join("..", "..")) })
	}
}

// plants are faults that people have put into programs like this one. Where the
// code of a plant is written anew, the plant moves with it.
var plants = []plant{
	// What reaches the disk, and when.
	{
		name:    "a file gets its name before it is synced",
		file:    "internal/durable/durable.go",
		code:    "if err = f.Sync(); err != nil {\n\t\treturn err\n\t}\n",
		changed: "",
		pkg:     "internal/durable", test: "TestWriteFileIsDurableOrSaysWhyNot",
	},
	{
		name:    "the folder is not synced",
		file:    "internal/durable/open_unix.go",
		code:    "syncErr := d.Sync()",
		changed: "var syncErr error",
		pkg:     "internal/durable", test: "TestWriteFileIsDurableOrSaysWhyNot",
	},
	{
		name:    "the error of closing a written file is ignored",
		file:    "internal/durable/durable.go",
		code:    "if err = f.Close(); err != nil {\n\t\treturn err\n\t}\n\tif err = renameOver",
		changed: "_ = f.Close()\n\tif err = renameOver",
		pkg:     "internal/durable", test: "TestWriteFileIsDurableOrSaysWhyNot",
	},
	{
		name:    "the root is replaced before the names of its members are synced",
		file:    "internal/durable/together.go",
		code:    "if err := syncDir(r.dir); err != nil {\n\t\treturn err\n\t}\n\tpath := ",
		changed: "path := ",
		pkg:     "internal/durable", test: "TestTheFolderIsSyncedBeforeTheRootIsReplacedAndInTheEnd",
	},
	{
		name: "members take their places before the root does",
		file: "internal/durable/together.go",
		code: "path := filepath.Join(r.dir, r.root)\n",
		changed: "if err := r.complete(id); err != nil {\n\t\treturn err\n\t}\n\tpath := filepath.Join(r.dir, " +
			"r.root)\n",
		pkg: "internal/durable", test: "TestAFaultAtEveryStepLeavesTheOldFilesOrTheNewOnes",
	},
	{
		name:    "a folder is removed before its successor takes its place",
		file:    "internal/durable/dir.go",
		code:    "case err == nil && swapNames(fresh, dir) == nil:\n\t\tstale = fresh\n",
		changed: "case err == nil && os.RemoveAll(dir) == nil && os.Rename(fresh, dir) == nil:\n",
		pkg:     "internal/durable", test: "TestTheOldFolderStaysWhereTheNewOneCantTakeItsPlace",
	},

	// Who may write, and where.
	{
		name:    "a replacement takes no lock",
		file:    "internal/durable/together.go",
		code:    "release, err := lockWithin(filepath.Join(dir, replaceLock), replaceWait)",
		changed: "release, err := func() {}, error(nil)",
		pkg:     "internal/durable", test: "TestReplaceWaitsAndGivesUp",
	},
	{
		name:    "a lock that another holds is taken",
		file:    "internal/durable/lock.go",
		code:    "if err == nil && !free {",
		changed: "if err == nil && !free && false {",
		pkg:     "internal/durable", test: "TestOneHoldsALock",
	},
	{
		name:    "a link in the place of an output is followed",
		file:    "internal/durable/open_unix.go",
		code:    "unix.O_NONBLOCK | unix.O_NOFOLLOW",
		changed: "unix.O_NONBLOCK",
		pkg:     "internal/durable", test: "TestNothingIsWrittenThroughAName",
	},
	{
		name:    "orphans stay",
		file:    "internal/durable/temp.go",
		code:    "return os.Remove(path) // no other file ever has this name",
		changed: "return nil",
		pkg:     "internal/durable", test: "TestOnlyTheTemporaryFilesOfTheDeadAreRemoved",
	},
	{
		name:    "a temporary file goes while its process writes it",
		file:    "internal/durable/temp.go",
		code:    "lockErr == nil && !free:",
		changed: "lockErr == nil && !free && false:",
		pkg:     "internal/durable", test: "TestOnlyTheTemporaryFilesOfTheDeadAreRemoved",
	},
	{
		name:    "a folder of another kind may be written without --force",
		file:    "internal/outpath/prepare.go",
		code:    "if force {",
		changed: "if force || true {",
		pkg:     "internal/outpath", test: "TestFolders",
	},
	{
		name:    "new files ignore the umask",
		file:    "internal/durable/open.go",
		code:    "fileMode   = 0o666",
		changed: "fileMode   = 0o600",
		pkg:     "internal/durable", test: "TestModesObeyTheUmask",
	},
	{
		name:    "what others put into a replaced folder is lost",
		file:    "internal/outpath/folder.go",
		code:    "return f.keepsAll(t)",
		changed: "return nil",
		pkg:     "internal/outpath", test: "TestFolders",
	},
	{
		name:    "an output among the photos is allowed",
		file:    "internal/outpath/photos.go",
		code:    "if photos == \"\" {\n\t\treturn nil",
		changed: "if photos == \"\" || true {\n\t\treturn nil",
		pkg:     "internal/outpath", test: "TestNothingIsWrittenAmongPhotos",
	},

	// What is compared with its checksum.
	{
		name:    "the embeddings of a store are not compared",
		file:    "internal/store/seal.go",
		code:    "if !bytes.Equal(h.Sum(nil), s.whole[:]) {",
		changed: "if !bytes.Equal(h.Sum(nil), s.whole[:]) && false {",
		pkg:     "internal/store", test: "TestEveryFlippedBitIsFound",
	},
	{
		name:    "the rows of a store are not compared",
		file:    "internal/store/seal.go",
		code:    "if sum != s.head {",
		changed: "if sum != s.head && false {",
		pkg:     "internal/store", test: "TestEveryFlippedBitIsFound",
	},
	{
		name:    "extract takes every file for checked",
		file:    "internal/store/checked.go",
		code:    "f.known = known[f.checkedShard()]",
		changed: "f.known = true",
		pkg:     "internal/store", test: "TestDamagedRowsAreComputedAnew",
	},
	{
		name:    "a photo's hash is remembered though its file may still change",
		file:    "internal/store/statcache.go",
		code:    "c.ModTime.IsZero() || now.Sub(c.ModTime) < racy",
		changed: "c.ModTime.IsZero()",
		pkg:     "internal/store", test: "TestStatCacheDistrustsFreshFiles",
	},
	{
		name:    "content_sha256 is not compared",
		file:    "internal/checksum/checksum.go",
		code:    "if stored != sum {",
		changed: "if stored != sum && false {",
		pkg:     "internal/checksum", test: "TestVerify",
	},
	{
		name:    "the head of a model is not compared",
		file:    "internal/modeldir/modeldir.go",
		code:    `if m.HeadSHA256 != "" && info.SHA256 != m.HeadSHA256 {`,
		changed: `if m.HeadSHA256 != "" && info.SHA256 != m.HeadSHA256 && false {`,
		pkg:     "internal/modeldir", test: "TestNoFlippedBitMakesAnotherModel",
	},
	{
		name:    "the files of a checkpoint are not compared",
		file:    "finetune/artifacts/checkpoint.go",
		code:    "if state.Files != nil && state.Files[f.name] != info.SHA256 {",
		changed: "if state.Files != nil && state.Files[f.name] != info.SHA256 && false {",
		pkg:     "finetune/artifacts", test: "TestAFileOfAnotherCheckpointIsRefused",
	},
	{
		name:    "a library of the cache is not compared",
		file:    "internal/nativelib/integrity.go",
		code:    "if sum != want {\n\t\treturn \"\", fmt.Errorf(\"is not what was installed",
		changed: "if sum != want && false {\n\t\treturn \"\", fmt.Errorf(\"is not what was installed",
		pkg:     "internal/nativelib", test: "TestAnAlteredLibraryIsNotOpened",
	},
	{
		name:    "a lock.json holds nobody",
		file:    "internal/lockfile/content.go",
		code:    "if !found || wanted.SHA256 == in.SHA256 {",
		changed: "if !found || wanted.SHA256 == in.SHA256 || true {",
		pkg:     "internal/lockfile", test: "TestALockIsWrittenObeyedAndExtended",
	},
	{
		name:    "a download is not compared with its hash",
		file:    "internal/fetch/fetch.go",
		code:    "if !strings.HasPrefix(r.SHA256, f.SHA256Prefix) {",
		changed: "if !strings.HasPrefix(r.SHA256, f.SHA256Prefix) && false {",
		pkg:     "internal/fetch", test: "TestRefusals",
	},
	{
		name:    "the content of a run.json is not compared",
		file:    "finetune/record.go",
		code:    "if err := checksum.Verify(path, text); err != nil {",
		changed: "if err := checksum.Verify(path, text); err != nil && false {",
		pkg:     "finetune", test: "TestNoFlippedBitMakesAnotherRecord",
	},
	{
		name:    "the content of an experiment.json is not compared",
		file:    "internal/experimentdir/experimentdir.go",
		code:    "if err := checksum.Verify(path, text); err != nil {",
		changed: "if err := checksum.Verify(path, text); err != nil && false {",
		pkg:     "internal/experimentdir", test: "TestNoFlippedBitMakesAnotherExperiment",
	},
	{
		name:    "a store's manifest is not compared",
		file:    "internal/store/manifest.go",
		code:    "if err := checksum.Verify(path, text); err != nil {",
		changed: "if err := checksum.Verify(path, text); err != nil && false {",
		pkg:     "internal/store", test: "TestNoFlippedBitMakesAnotherStore",
	},
	{
		name:    "the files of artifacts are not compared",
		file:    "finetune/artifacts/generate.go",
		code:    "if err == nil && sum != s.Files[name] {",
		changed: "if err == nil && sum != s.Files[name] && false {",
		pkg:     "finetune/artifacts", test: "TestNoFlippedBitMakesOtherArtifacts",
	},
	{
		name:    "a cached download is not compared",
		file:    "internal/fetch/fetch.go",
		code:    "if !strings.HasPrefix(sum, f.SHA256Prefix) {",
		changed: "if !strings.HasPrefix(sum, f.SHA256Prefix) && false {",
		pkg:     "internal/fetch", test: "TestChangedCachedFileIsRefused",
	},
	{
		name:    "a store is opened without a look at its checksums",
		file:    "internal/store/store.go",
		code:    "if err = s.check(ctx, report); err == nil {",
		changed: "if err == nil {",
		pkg:     "internal/store", test: "TestNoFlippedBitMakesAnotherStore",
	},

	// Whose fault it is.
	{
		name:    "EIO is about the file",
		file:    "internal/fail/errno.go",
		code:    "aboutFile = []syscall.Errno{\n",
		changed: "aboutFile = []syscall.Errno{\n\tsyscall.EIO,\n",
		pkg:     "internal/fail", test: "TestAboutFile",
	},
	{
		name:    "a photo is bad where the system fails",
		file:    "internal/photoio/file.go",
		code:    "return none, systemError(from, err)",
		changed: "return none, &Unusable{Err: err}",
		pkg:     "internal/photoio", test: "TestASystemThatFailsIsAskedAgain",
	},
	{
		name:    "a class without photos is trained",
		file:    "internal/dataset/learnable.go",
		code:    "if counts[i] == 0 {",
		changed: "if counts[i] < 0 {",
		pkg:     "internal/dataset", test: "TestCheckLearnable",
	},
	{
		name:    "copies of a photo are put on both sides of the split",
		file:    "head/split.go",
		code:    "if groups != nil {\n\t\t\tif copies",
		changed: "if false {\n\t\t\tif copies",
		pkg:     "head", test: "TestSplitKeepsCopiesTogether",
	},
	{
		name:    "a network of dead units is a success",
		file:    "head/diverged.go",
		code:    "case sameLogits:",
		changed: "case sameLogits && false:",
		pkg:     "head", test: "TestAHeadWhoseUnitsDieIsNoSuccess",
	},

	// Bounds and leaks.
	{
		name:    "photos are decoded without asking for memory",
		file:    "internal/photoio/budget.go",
		code:    "return b.used == 0 || b.used+n <= b.size",
		changed: "return true",
		pkg:     "internal/photoio", test: "TestManyBombsAtOnceStayWithinTheBudget",
	},
	{
		name:    "a body may be longer than announced",
		file:    "internal/fetch/download.go",
		code:    "io.LimitReader(watch.body(response.Body), rest+1)",
		changed: "io.LimitReader(watch.body(response.Body), 2*rest)",
		pkg:     "internal/fetch", test: "TestAnEndlessBodyIsReadUpToItsBound",
	},
	{
		name:    "JSON may be nested without end",
		file:    "internal/userfile/json.go",
		code:    "case depth > maxJSONDepth:",
		changed: "case depth > maxJSONDepth && false:",
		pkg:     "internal/userfile", test: "TestJSONIsRefusedBeforeItIsDecoded",
	},
	{
		name:    "telemetry stays on",
		file:    "internal/dynlib/telemetry.go",
		code:    `_ = os.Setenv(telemetryVariable, "1")`,
		changed: `_ = os.Setenv(telemetryVariable, "")`,
		pkg:     "internal/dynlib", test: "TestLibrariesFindTelemetrySwitchedOff",
	},
	{
		name:    "pip of the current folder runs",
		file:    "internal/wheel/tool.go",
		code:    "cmd.Dir, cmd.Env = work, environment(os.Environ())",
		changed: "cmd.Env = environment(os.Environ())",
		pkg:     "internal/wheel", test: "TestHowAToolIsStarted",
	},
	{
		name:    "a terminal gets control characters",
		file:    "internal/printable/printable.go",
		code:    "return r < ' ' || r >= 0x7f",
		changed: "return r >= 0x7f",
		pkg:     "internal/printable", test: "TestNames",
	},
	{
		name:    "a photo is read beyond the size that it had",
		file:    "internal/photoio/file.go",
		code:    "io.LimitReader(content, stat.Size-int64(n))",
		changed: "content",
		pkg:     "internal/photoio", test: "TestAFileThatChangesWhileItIsReadHasNoTime",
	},
	{
		name:    "scans of a JPEG are not counted",
		file:    "internal/imaging/jpeg.go",
		code:    "if err := h.checkScans(data); err != nil {",
		changed: "if err := h.checkScans(data); err != nil && false {",
		pkg:     "internal/imaging", test: "TestJPEGsOfManyScans",
	},
}
