// SPDX-License-Identifier: Apache-2.0
// Copies of payloads that a rule has put away, each with its event, for as long and as far as there is room. Everything blocks: it is for threads
// that may wait, and for the commands. Every member may be called from any thread, and by several processes for one folder at a time.
//
// A store that fails is an error, and whoever wanted it blocks the payload all the same: a quarantine that is full lets nothing pass.
#pragma once

#include "base/result.h"
#include "inspect/object.h"
#include "inspect/quarantine/folder.h"
#include "inspect/quarantine/sample.h"
#include "inspect/quarantine/sample_stream.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::inspect {

// What lies in the quarantine, as it is shown.
struct Sample {
    EventId id{};
    std::int64_t stored_ns = 0;  // Unix time
    std::uint64_t size = 0;  // bytes of the object
    bool is_readable = true;  // false: its files are damaged, and only what stands above is known
    Sha256Value sha256{};  // of the object as it was stored
    std::string event;  // a JSON object, as it was handed over; what peers chose stands in it
};

// The same, and the object was read.
struct Examined {
    Sample sample;
    bool is_intact = false;  // the object is what was stored; the hashes are there only then
    std::string sha1, md5;  // hexadecimal; empty where the system's OpenSSL does not have them
};

struct Swept {
    std::size_t expired = 0;  // samples older than `keep`
    std::size_t displaced = 0;  // samples that went for newer ones, the oldest first
    std::size_t halves = 0;  // files that a crash left behind, and samples that lost their object
};

class Quarantine {
public:
    struct Options {
        std::filesystem::path dir;
        std::uint64_t max_size = 0;  // bytes of all objects
        std::chrono::milliseconds keep{};
        std::size_t max_samples = 16'384;  // so that many small ones do not fill the folder, which each store reads
    };
    explicit Quarantine(Options options) : options_(std::move(options)) {}
    Quarantine(const Quarantine&) = delete;
    Quarantine& operator=(const Quarantine&) = delete;

    void set_options(Options options);  // a reload; what no longer fits goes with the next store or sweep

    // Makes the folder where it is missing, and gives it to the user that stores later. Without it the first store makes it.
    Result<void> prepare(std::optional<Folder::Owner> owner = std::nullopt);

    // The object and its event (one JSON object) are on the disk, synced, once this returns a value, under the event's id. Older samples go where
    // there is no room. too_large: the object is larger than the whole quarantine, and no sample goes for it. overloaded: the disk or a quota is
    // full, or too much is being stored at the moment. io_failed with cause EEXIST: an event has one sample. Nothing is left of a sample that
    // could not be stored.
    Result<void> store(std::string_view id, const Object& object, std::string_view event);
    Result<void> store(std::string_view id, std::span<const std::string_view> content, std::string_view event);

    // The newest first. Empty where there is no folder yet.
    Result<std::vector<Sample>> list() const;
    // These take ids as people type them. malformed: it is no id. io_failed with cause ENOENT: there is no such sample.
    Result<Examined> examine(std::string_view id) const;  // reads the whole object
    // Writes the object, as it was, to a new file (0600) and syncs it; it stays in the quarantine. io_failed with cause EEXIST: there is something
    // at `path`, and be it a link. malformed: the sample is damaged; then, as with any other error, there is no file.
    Result<void> release(std::string_view id, const std::filesystem::path& path) const;
    Result<void> remove(std::string_view id);

    // Removes what is too old, what is too much, and what a crash has left. To be called now and then: each store does it too.
    Result<Swept> sweep();

private:
    using Fill = std::function<Result<void>(SampleWriter&)>;

    // What is kept free for an object that is being written.
    class Room {
    public:
        Room(Quarantine& quarantine, std::uint64_t size) : quarantine_(quarantine), size_(size) {}
        ~Room();
        Result<void> take(const Folder& folder);
        void give_back();  // under the lock

    private:
        Quarantine& quarantine_;
        std::uint64_t size_;
        bool is_taken_ = false;
    };

    Options options() const;
    Result<void> store(std::string_view id, std::uint64_t size, const Fill& fill, std::string_view event);
    Result<void> write(const Folder& folder, const EventId& id, const Fill& fill, std::string_view event, Room& room);
    // Under the lock.
    Result<Swept> make_room(const Folder& folder, std::uint64_t size, std::size_t samples);

    mutable std::mutex mutex_;
    Options options_;
    std::uint64_t storing_size_ = 0;  // of objects that are being written: room is kept for them
    std::size_t storing_ = 0;
};

}  // namespace sluice::inspect
