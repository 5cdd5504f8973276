// SPDX-License-Identifier: Apache-2.0
#include "inspect/payload.h"

#include <algorithm>
#include <limits>

namespace sluice::inspect {

namespace {

constexpr std::size_t everything = std::numeric_limits<std::size_t>::max();

}  // namespace

void Payload::begin(const Setup& setup, const Declared& declared, Budget& memory) {
    inspection_.begin(setup, declared);
    retained_.begin(memory);
    delivery_ = {};
    way_ = Way::waiting;
    ended_ = false;
    size_ = released_ = 0;
    behind_ = {};
}

void Payload::clear() {
    inspection_.clear();
    retained_.clear();
}

void Payload::step() { retained_.forget_taken(); }

void Payload::push(std::string_view bytes, bool last, Views& out) {
    size_ += bytes.size();
    if (way_ == Way::passing) {
        released_ += bytes.size();
        if (!bytes.empty()) out.push_back(bytes);
        return;
    }
    inspection_.feed(bytes);
    if (delivery_.automatic) reconsider();
    give(kept(), bytes, last, out);
}

// What turns out to be risky is held from there on; what turns out to be larger than `automatic_hold` goes on but for its end.
void Payload::reconsider() {
    if (delivery_.mode != Mode::hold && is_risky(type().kind) && size_ <= automatic_hold) delivery_ = {.mode = Mode::hold, .automatic = true};
    if (delivery_.mode == Mode::hold && size_ > automatic_hold) delivery_ = {.mode = Mode::tail, .automatic = true};
}

// How many of the last bytes wait.
std::size_t Payload::kept() const {
    // Where something was found nothing goes on before a rule has said so.
    if (way_ == Way::waiting || inspection_.is_decided()) return everything;
    switch (delivery_.mode) {
        case Mode::hold: return everything;
        case Mode::tail: return tail_size;
        case Mode::stream: return 0;
    }
    return everything;
}

// Of what waits and `bytes`, in this order, the last `keep` stay; what is before them comes out.
void Payload::give(std::size_t keep, std::string_view bytes, bool last, Views& out) {
    const std::uint64_t total = retained_.size() + bytes.size();
    const std::uint64_t free = total > keep ? total - keep : 0;
    const auto old = static_cast<std::size_t>(std::min<std::uint64_t>(free, retained_.size()));
    retained_.take(old, out);
    const auto fresh = static_cast<std::size_t>(free - old);
    if (fresh > 0) out.push_back(bytes.substr(0, fresh));
    released_ += free;
    bytes.remove_prefix(fresh);
    const std::size_t appended = last ? 0 : retained_.append(bytes);
    behind_ = bytes.substr(appended);
    if (!last && !behind_.empty()) inspection_.give_up(Reason::overloaded);
}

void Payload::end(bool whole) {
    ended_ = true;
    if (way_ != Way::passing) inspection_.finish(whole);
}

void Payload::deliver(const Delivery& delivery, Views& out) {
    delivery_ = delivery;
    way_ = Way::delivering;
    if (delivery_.automatic) reconsider();
    if (!ended_ && !inspection_.is_decided()) give(kept(), {}, false, out);
}

void Payload::pause(Views& out) {
    if (way_ == Way::delivering && delivery_.may_let_go && !ended_ && !inspection_.is_decided()) give(0, {}, false, out);
}

void Payload::release(Views& out) {
    way_ = Way::passing;
    released_ += retained_.size() + behind_.size();
    retained_.take(static_cast<std::size_t>(retained_.size()), out);
    if (!behind_.empty()) out.push_back(behind_);
    behind_ = {};
}

}  // namespace sluice::inspect
