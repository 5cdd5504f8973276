// SPDX-License-Identifier: Apache-2.0
// Storing, and making room.
#include "inspect/quarantine/quarantine.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>

namespace sluice::inspect {

namespace {

constexpr std::size_t piece_size = 256 * 1024;

std::int64_t now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string_view without_line_end(std::string_view text) {
    while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
    return text;
}

Result<void> copy_object(const Object& object, SampleWriter& to) {
    std::vector<char> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, object.size)));
    for (std::uint64_t done = 0; done < object.size;) {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), object.size - done));
        const ssize_t got = ::pread(object.descriptor, buffer.data(), size, static_cast<off_t>(done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_failure("an object for the quarantine cannot be read", errno);
        if (got == 0) return fail(Errc::io_failed, Side::self, "an object for the quarantine is shorter than it was said to be");
        TRY(to.append({buffer.data(), static_cast<std::size_t>(got)}));
        done += static_cast<std::uint64_t>(got);
    }
    return {};
}

}  // namespace

void Quarantine::set_options(Options options) {
    const std::lock_guard lock(mutex_);
    options_ = std::move(options);
}

Quarantine::Options Quarantine::options() const {
    const std::lock_guard lock(mutex_);
    return options_;
}

Result<void> Quarantine::prepare(std::optional<Folder::Owner> owner) {
    TRY(Folder::make(options().dir, owner));
    return {};
}

Result<void> Quarantine::store(std::string_view id, const Object& object, std::string_view event) {
    return store(id, object.size, [&object](SampleWriter& to) { return copy_object(object, to); }, event);
}

Result<void> Quarantine::store(std::string_view id, std::span<const std::string_view> content, std::string_view event) {
    std::uint64_t size = 0;
    for (const std::string_view piece : content) size += piece.size();
    const auto fill = [content](SampleWriter& to) -> Result<void> {
        for (const std::string_view piece : content) TRY(to.append(piece));
        return {};
    };
    return store(id, size, fill, event);
}

Result<void> Quarantine::store(std::string_view id, std::uint64_t size, const Fill& fill, std::string_view event) {
    const auto event_id = parse_event_id(id);
    if (!event_id || event_id->view() != id) return fail(Errc::malformed, Side::self, "that is no event's id");
    event = without_line_end(event);
    if (event.size() > max_event_size) return fail(Errc::too_large, Side::self, "the event is too large for the quarantine");
    const Options wanted = options();
    if (size > wanted.max_size) return fail(Errc::too_large, Side::self, "the object is larger than the whole quarantine");

    const Folder folder = TRY(Folder::make(wanted.dir, std::nullopt));
    Room room(*this, size);
    TRY(room.take(folder));
    return write(folder, *event_id, fill, event, room);
}

Quarantine::Room::~Room() {
    const std::lock_guard lock(quarantine_.mutex_);
    give_back();
}

Result<void> Quarantine::Room::take(const Folder& folder) {
    const std::lock_guard lock(quarantine_.mutex_);
    TRY(quarantine_.make_room(folder, size_, 1));
    quarantine_.storing_size_ += size_;
    ++quarantine_.storing_;
    is_taken_ = true;
    return {};
}

void Quarantine::Room::give_back() {
    if (!is_taken_) return;
    quarantine_.storing_size_ -= size_;
    --quarantine_.storing_;
    is_taken_ = false;
}

Result<void> Quarantine::write(const Folder& folder, const EventId& id, const Fill& fill, std::string_view event, Room& room) {
    // In this order, so that the metadata go first where something fails: without them nobody takes the object for a sample.
    Draft object = TRY(Draft::create(folder.descriptor()));
    Draft metadata = TRY(Draft::create(folder.descriptor()));

    SampleWriter writer(object.file());
    TRY(writer.begin());
    TRY(fill(writer));
    Metadata facts = TRY(writer.finish());
    facts.event = event;
    TRY(write_whole(metadata.file(), encode(facts)));
    TRY(object.sync());
    TRY(metadata.sync());
    TRY(object.rename_to(object_name(id)));
    {
        // In one step for whoever makes room: it is either being written or there, never both.
        const std::lock_guard lock(mutex_);
        TRY(metadata.rename_to(metadata_name(id)));
        room.give_back();
    }
    TRY(folder.sync());
    metadata.keep();
    object.keep();
    return {};
}

Result<Swept> Quarantine::make_room(const Folder& folder, std::uint64_t size, std::size_t samples) {
    const Folder::Content content = TRY(folder.read());
    Swept swept;
    for (const std::string& name : content.halves) swept.halves += folder.remove_half(name) ? 1 : 0;

    const std::int64_t now = now_ns();
    std::deque<Folder::Entry> kept;
    std::uint64_t used = 0;
    for (const Folder::Entry& entry : content.entries) {
        const bool is_expired = (now - entry.stored_ns) / 1'000'000 > options_.keep.count();
        if (is_expired || !entry.has_object) {
            const bool was_there = TRY(folder.remove(entry.id));
            (is_expired ? swept.expired : swept.halves) += was_there ? 1 : 0;
            continue;
        }
        used += entry.size;
        kept.push_back(entry);
    }
    const auto is_full = [&](std::uint64_t in_use, std::size_t count) {
        return in_use + storing_size_ + size > options_.max_size || count + storing_ + samples > options_.max_samples;
    };
    // Nothing goes in vain.
    if (samples != 0 && is_full(0, 0)) return fail(Errc::overloaded, Side::self, "what is being stored fills the quarantine");
    while (!kept.empty() && is_full(used, kept.size())) {
        swept.displaced += TRY(folder.remove(kept.front().id)) ? 1 : 0;
        used -= kept.front().size;
        kept.pop_front();
    }
    return swept;
}

Result<Swept> Quarantine::sweep() {
    const std::string dir = options().dir;
    const auto folder = Folder::open(dir);
    if (!folder && folder.error().cause == ENOENT) return Swept{};
    if (!folder) return std::unexpected(folder.error());
    const std::lock_guard lock(mutex_);
    return make_room(*folder, 0, 0);
}

}  // namespace sluice::inspect
