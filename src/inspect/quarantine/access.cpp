// SPDX-License-Identifier: Apache-2.0
// What people do with the samples that are there: list, examine, release, remove.
#include "inspect/quarantine/quarantine.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sluice::inspect {

namespace {

constexpr std::size_t max_metadata_size = max_event_size + 4096;
constexpr std::size_t read_size = 16 * 1024;

Result<EventId> id_from(std::string_view text) {
    const auto id = parse_event_id(text);
    if (!id) return fail(Errc::malformed, Side::client, "an id is 16 letters and digits, as `quarantine list` shows it");
    return *id;
}

// Where there is no folder there are no samples.
Result<Folder> open_folder(const std::filesystem::path& path) {
    auto folder = Folder::open(path);
    if (!folder && folder.error().cause == ENOENT) return system_failure("the quarantine has no sample of this id", ENOENT);
    return folder;
}

// nullopt: damaged.
Result<std::optional<Metadata>> read_metadata(const Folder& folder, const EventId& id) {
    const Descriptor file = TRY(folder.open_file(metadata_name(id)));
    std::string text;
    std::size_t have = 0;
    for (;;) {
        if (have == text.size()) text.resize(have + read_size);
        const ssize_t got = ::read(file.get(), text.data() + have, text.size() - have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_failure("a sample cannot be read", errno);
        if (got == 0) break;
        have += static_cast<std::size_t>(got);
        if (have > max_metadata_size) return std::nullopt;
    }
    return parse_metadata(std::string_view(text).substr(0, have));
}

Sample sample_of(const Folder::Entry& entry, const std::optional<Metadata>& metadata) {
    Sample sample{.id = entry.id, .stored_ns = entry.stored_ns, .size = entry.size, .is_readable = false, .sha256 = {}, .event = {}};
    if (!metadata) return sample;
    sample.is_readable = entry.has_object && entry.size == metadata->size;
    sample.sha256 = metadata->sha256;
    sample.event = metadata->event;
    return sample;
}

// What a failed release leaves is nothing.
class NewFile {
public:
    static Result<NewFile> create(const std::filesystem::path& path) {
        Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!file && errno == EEXIST) return system_failure("there is something at that path already", errno);
        if (!file && errno == ENOENT) return system_failure("the folder that the file is to be in is not there", errno);
        if (!file) return system_failure("the file cannot be made", errno);
        return NewFile(path, std::move(file));
    }
    NewFile(NewFile&& other) noexcept : path_(std::exchange(other.path_, {})), file_(std::move(other.file_)) {}
    NewFile& operator=(NewFile&&) = delete;
    ~NewFile() {
        if (!path_.empty()) ::unlink(path_.c_str());
    }

    int file() const { return file_.get(); }
    Result<void> keep() {
        if (::fsync(file_.get()) != 0) return system_failure("the file cannot be written", errno);
        const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : ".";
        const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (opened) ::fsync(opened.get());                   // a folder that may only be written to cannot be synced
        path_.clear();
        return {};
    }

private:
    NewFile(std::filesystem::path path, Descriptor file) : path_(std::move(path)), file_(std::move(file)) {}

    std::filesystem::path path_;
    Descriptor file_;
};

}  // namespace

Result<std::vector<Sample>> Quarantine::list() const {
    const auto folder = Folder::open(options().dir);
    if (!folder && folder.error().cause == ENOENT) return std::vector<Sample>{};
    if (!folder) return std::unexpected(folder.error());
    const Folder::Content content = TRY(folder->read());
    std::vector<Sample> samples;
    samples.reserve(content.entries.size());
    for (auto entry = content.entries.rbegin(); entry != content.entries.rend(); ++entry) {
        const auto metadata = read_metadata(*folder, entry->id);
        if (!metadata && metadata.error().cause == ENOENT) continue;  // removed meanwhile
        samples.push_back(sample_of(*entry, metadata ? *metadata : std::nullopt));
    }
    return samples;
}

Result<Examined> Quarantine::examine(std::string_view text) const {
    const EventId id = TRY(id_from(text));
    const Folder folder = TRY(open_folder(options().dir));
    const auto metadata = TRY(read_metadata(folder, id));
    const Folder::Entry entry = TRY(folder.find(id));
    Examined examined{.sample = sample_of(entry, metadata), .is_intact = false, .sha1 = {}, .md5 = {}};
    if (!examined.sample.is_readable) return examined;

    const Descriptor object = TRY(folder.open_file(object_name(id)));
    RunningDigest sha1("SHA1"), md5("MD5");
    const auto read = read_sample(object.get(), *metadata, [&](std::string_view piece) -> Result<void> {
        sha1.feed(piece);
        md5.feed(piece);
        return {};
    });
    if (!read && read.error().code != Errc::malformed) return std::unexpected(read.error());
    examined.is_intact = read.has_value();
    if (!examined.is_intact) return examined;
    examined.sha1 = hex(sha1.finish());
    examined.md5 = hex(md5.finish());
    return examined;
}

Result<void> Quarantine::release(std::string_view text, const std::filesystem::path& path) const {
    const EventId id = TRY(id_from(text));
    const Folder folder = TRY(open_folder(options().dir));
    const auto metadata = TRY(read_metadata(folder, id));
    if (!metadata) return fail(Errc::malformed, Side::self, "the sample is damaged: its key cannot be read");
    const Descriptor object = TRY(folder.open_file(object_name(id)));
    NewFile file = TRY(NewFile::create(path));
    TRY(read_sample(object.get(), *metadata, [&file](std::string_view piece) { return write_whole(file.file(), piece); }));
    return file.keep();
}

Result<void> Quarantine::remove(std::string_view text) {
    const EventId id = TRY(id_from(text));
    const Folder folder = TRY(open_folder(options().dir));
    if (!TRY(folder.remove(id))) return system_failure("the quarantine has no sample of this id", ENOENT);
    return folder.sync();
}

}  // namespace sluice::inspect
