// SPDX-License-Identifier: Apache-2.0
// The quarantine's folder: how a file gets into it whole or not at all, and what lies in it. Other processes may write, remove and sweep at the
// same time; nothing here needs a lock between them, other than the one that each file which is being written has on itself.
//
// A file is written under a name of its own (".new-" and 16 digits), synced, and renamed. While it is written, and until its sample is complete,
// its writer holds a lock on it (flock(2)): a file of a half sample that nobody has locked is what a crash left behind.
#pragma once

#include "base/id.h"
#include "base/result.h"
#include "inspect/descriptor.h"

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::inspect {

// A file that is not yet kept: its end removes it.
class Draft {
public:
    // `folder` outlives it.
    static Result<Draft> create(int folder);
    Draft(Draft&& other) noexcept : folder_(other.folder_), name_(std::exchange(other.name_, {})), file_(std::move(other.file_)) {}
    Draft& operator=(Draft&&) = delete;
    ~Draft();

    int file() const { return file_.get(); }
    Result<void> sync();
    // Under its name from here on. io_failed with cause EEXIST: there is such a file.
    Result<void> rename_to(std::string name);
    void keep() { name_.clear(); }

private:
    Draft(int folder, std::string name, Descriptor file) : folder_(folder), name_(std::move(name)), file_(std::move(file)) {}

    int folder_;
    std::string name_;  // empty: nothing is to be removed
    Descriptor file_;
};

class Folder {
public:
    using Owner = std::pair<uid_t, gid_t>;

    struct Entry {  // a complete sample, or one that lost its object
        EventId id{};
        std::int64_t stored_ns = 0;  // Unix time: when the metadata were written
        std::uint64_t size = 0;  // bytes of the object
        bool has_object = false;
    };
    struct Content {
        std::vector<Entry> entries;  // the oldest first
        std::vector<std::string> halves;  // names of files that belong to no complete sample; some are being written
    };

    // io_failed with cause ENOENT: there is none.
    static Result<Folder> open(const std::filesystem::path& path);
    // The same, but made (0700) where it is missing, and given to its owner. refused_by_policy: everybody may write to it.
    static Result<Folder> make(const std::filesystem::path& path, std::optional<Owner> owner);

    int descriptor() const { return folder_.get(); }
    Result<Content> read() const;
    Result<Entry> find(const EventId& id) const;  // io_failed with cause ENOENT: there is none
    Result<void> sync() const;
    // To be read. io_failed with cause ENOENT: there is none.
    Result<Descriptor> open_file(const std::string& name) const;
    // Metadata first: what a crash leaves is a half, never a sample without its object. False: there was none.
    Result<bool> remove(const EventId& id) const;
    // Removes a file of Content::halves, unless it is being written. Whether it did.
    bool remove_half(const std::string& name) const;

private:
    explicit Folder(Descriptor folder) : folder_(std::move(folder)) {}
    bool has(const std::string& name) const;

    Descriptor folder_;
};

std::string object_name(const EventId& id);  // "ID.sample"
std::string metadata_name(const EventId& id);  // "ID.meta"

}  // namespace sluice::inspect
