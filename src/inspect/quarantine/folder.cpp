// SPDX-License-Identifier: Apache-2.0
#include "inspect/quarantine/folder.h"

#include "inspect/quarantine/sample.h"
#include "inspect/quarantine/sample_stream.h"

#include <fmt/format.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <tuple>

namespace sluice::inspect {

namespace {

constexpr std::string_view draft_prefix = ".new-";
constexpr std::string_view object_suffix = ".sample";
constexpr std::string_view metadata_suffix = ".meta";
constexpr std::string_view no_such_sample = "the quarantine has no sample of this id";
constexpr mode_t file_mode = 0600;
constexpr mode_t folder_mode = 0700;

bool is_draft(std::string_view name) {
    return name.size() == draft_prefix.size() + 16 && name.starts_with(draft_prefix) &&
           name.find_first_not_of("0123456789abcdef", draft_prefix.size()) == std::string_view::npos;
}

// The id of "ID.suffix", written as ids are: what only looks like one is somebody else's file.
std::optional<EventId> id_before(std::string_view name, std::string_view suffix) {
    if (!name.ends_with(suffix)) return std::nullopt;
    const auto id = parse_event_id(name.substr(0, name.size() - suffix.size()));
    return id && name.starts_with(id->view()) ? id : std::nullopt;
}

std::optional<EventId> id_of(const std::string& name) {
    const auto id = id_before(name, object_suffix);
    return id ? id : id_before(name, metadata_suffix);
}

// Without replacing. Some file systems (of networks) do not know how: ids are never used twice, so that looking first does there.
int rename_new(int folder, const char* from, const char* to) {
    if (::renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return errno;
    if (::faccessat(folder, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) return EEXIST;
    return ::renameat(folder, from, folder, to) == 0 ? 0 : errno;
}

std::int64_t modified_ns(const struct stat& status) {
    // A file system may hold times that do not fit: until the year 2255 they do.
    const std::int64_t seconds = std::clamp<std::int64_t>(status.st_mtim.tv_sec, 0, 9'000'000'000);
    return seconds * 1'000'000'000 + status.st_mtim.tv_nsec;
}

}  // namespace

std::string object_name(const EventId& id) { return fmt::format("{}{}", id.view(), object_suffix); }
std::string metadata_name(const EventId& id) { return fmt::format("{}{}", id.view(), metadata_suffix); }

Result<Draft> Draft::create(int folder) {
    // More than once only when a sweep elsewhere saw the file before it was locked, and removed it.
    for (int attempt = 0; attempt < 8; ++attempt) {
        std::uint64_t number = 0;
        if (::getrandom(&number, sizeof number, 0) != sizeof number) return system_failure("the system gives no random bytes", errno);
        std::string name = fmt::format("{}{:016x}", draft_prefix, number);
        Descriptor file(::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, file_mode));
        if (!file) return system_failure("no file can be made in the quarantine", errno);
        Draft draft(folder, std::move(name), std::move(file));
        struct stat status{};
        if (::flock(draft.file(), LOCK_EX) != 0 || ::fchmod(draft.file(), file_mode) != 0 || ::fstat(draft.file(), &status) != 0)
            return system_failure("a file in the quarantine cannot be locked", errno);
        if (status.st_nlink == 1) return draft;
    }
    return fail(Errc::io_failed, Side::self, "files in the quarantine vanish while they are made");
}

Draft::~Draft() {
    if (!name_.empty()) ::unlinkat(folder_, name_.c_str(), 0);
}

Result<void> Draft::sync() {
    if (::fsync(file_.get()) != 0) return system_failure("a sample cannot be written", errno);
    return {};
}

Result<void> Draft::rename_to(std::string name) {
    const int error = rename_new(folder_, name_.c_str(), name.c_str());
    if (error == EEXIST) return system_failure("the quarantine has a sample of this id already", error);
    if (error != 0) return system_failure("a file in the quarantine cannot be renamed", error);
    name_ = std::move(name);
    return {};
}

Result<Folder> Folder::open(const std::filesystem::path& path) {
    Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return system_failure("the quarantine's folder cannot be opened", errno);
    return Folder(std::move(folder));
}

Result<Folder> Folder::make(const std::filesystem::path& path, std::optional<Owner> owner) {
    auto folder = open(path);
    if (!folder && folder.error().cause == ENOENT) {
        std::error_code ignored;                             // mkdir says it, where it matters
        std::filesystem::create_directories(path.parent_path(), ignored);
        const bool is_made = ::mkdir(path.c_str(), folder_mode) == 0;
        if (!is_made && errno != EEXIST) return system_failure("the quarantine's folder cannot be made", errno);
        folder = open(path);
        if (folder && is_made && owner && ::fchown(folder->descriptor(), owner->first, owner->second) != 0)
            return system_failure("the quarantine's folder cannot be given to its user", errno);
    }
    if (!folder) return folder;
    struct stat status{};
    if (::fstat(folder->descriptor(), &status) != 0) return system_failure("the quarantine's folder cannot be opened", errno);
    // Whoever may put files there may also put others in their place.
    if ((status.st_mode & S_IWOTH) != 0) return fail(Errc::refused_by_policy, Side::self, "everybody may write to the quarantine's folder");
    return folder;
}

bool Folder::has(const std::string& name) const { return ::faccessat(folder_.get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0; }

Result<Folder::Content> Folder::read() const {
    const int again = ::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);  // with an offset of its own
    const auto close = [](DIR* stream) { ::closedir(stream); };
    const std::unique_ptr<DIR, decltype(close)> stream(again >= 0 ? ::fdopendir(again) : nullptr);
    if (!stream) {
        const int cause = errno;
        if (again >= 0) ::close(again);
        return system_failure("the quarantine's folder cannot be read", cause);
    }
    Content content;
    std::vector<EventId> objects;
    for (;;) {
        errno = 0;
        const dirent* const found = ::readdir(stream.get());
        if (found == nullptr && errno != 0) return system_failure("the quarantine's folder cannot be read", errno);
        if (found == nullptr) break;
        std::string name = found->d_name;
        if (is_draft(name)) {
            content.halves.push_back(std::move(name));
        } else if (const auto object = id_before(name, object_suffix)) {
            objects.push_back(*object);
        } else if (const auto id = id_before(name, metadata_suffix)) {
            if (const auto entry = find(*id)) content.entries.push_back(*entry);  // else it was removed meanwhile
        }
    }
    std::ranges::sort(objects, {}, &EventId::text);
    std::ranges::sort(content.entries, {}, [](const Entry& entry) { return entry.id.text; });
    for (const EventId& id : objects)
        if (!std::ranges::binary_search(content.entries, id.text, {}, [](const Entry& entry) { return entry.id.text; }))
            content.halves.push_back(object_name(id));
    std::ranges::sort(content.entries, {}, [](const Entry& entry) { return std::tuple(entry.stored_ns, entry.id.text); });
    return content;
}

Result<Folder::Entry> Folder::find(const EventId& id) const {
    struct stat status{};
    if (::fstatat(folder_.get(), metadata_name(id).c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
        return system_failure(errno == ENOENT ? no_such_sample : "a sample cannot be read", errno);
    if (!S_ISREG(status.st_mode)) return system_failure(no_such_sample, ENOENT);
    Entry entry{.id = id, .stored_ns = modified_ns(status), .size = 0, .has_object = false};
    if (::fstatat(folder_.get(), object_name(id).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode)) {
        entry.has_object = true;
        entry.size = static_cast<std::uint64_t>(std::max<off_t>(0, status.st_size - off_t{sample_magic.size()}));
    }
    return entry;
}

Result<void> Folder::sync() const {
    if (::fsync(folder_.get()) != 0) return system_failure("the quarantine's folder cannot be synced", errno);
    return {};
}

Result<Descriptor> Folder::open_file(const std::string& name) const {
    // Not blocking: what lies there instead of a file must not hold anybody up.
    Descriptor file(::openat(folder_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) return system_failure(errno == ENOENT ? no_such_sample : "a sample cannot be opened", errno);
    return file;
}

Result<bool> Folder::remove(const EventId& id) const {
    if (::unlinkat(folder_.get(), metadata_name(id).c_str(), 0) != 0) {
        if (errno == ENOENT) return false;                   // an object alone may be one that is being written
        return system_failure("a sample cannot be removed", errno);
    }
    if (::unlinkat(folder_.get(), object_name(id).c_str(), 0) != 0 && errno != ENOENT)
        return system_failure("a sample cannot be removed", errno);
    return true;
}

bool Folder::remove_half(const std::string& name) const {
    const auto file = open_file(name);
    if (!file || ::flock(file->get(), LOCK_EX | LOCK_NB) != 0) return false;
    // Its sample may have become complete after it was listed.
    const auto id = id_of(name);
    if (id && has(metadata_name(*id))) return false;
    return ::unlinkat(folder_.get(), name.c_str(), 0) == 0;
}

}  // namespace sluice::inspect
