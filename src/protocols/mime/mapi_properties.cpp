// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mapi_properties.h"

#include <algorithm>

namespace sluice::mime {
namespace {

constexpr std::uint16_t null = 0x01;  // a property without a value

bool is_sized(std::uint16_t type) {
    return type == MapiProperties::string8 || type == MapiProperties::unicode || type == MapiProperties::object ||
           type == MapiProperties::binary;
}

// Octets of a value, with what fills it up to four; 0: not known.
std::uint64_t fixed_size(std::uint16_t type) {
    switch (type) {
        case 0x02:
        case 0x03:
        case 0x04:
        case 0x0a:
        case 0x0b: return 4;
        case 0x05:
        case 0x06:
        case 0x07:
        case 0x14:
        case 0x40: return 8;
        case 0x48: return 16;
        default: return 0;
    }
}

std::uint32_t padding_of(std::uint32_t size) { return (4 - size % 4) % 4; }

}  // namespace

std::uint32_t MapiProperties::number() const {
    std::uint32_t out = 0;
    for (std::size_t i = 4; i-- > 0;) out = out << 8U | static_cast<unsigned char>(gathered_[i]);
    return out;
}

void MapiProperties::want(State state, std::uint64_t octets) {
    state_ = state;
    needed_ = octets;
    gathered_.clear();
}

void MapiProperties::feed(std::string_view in) {
    while (!in.empty() && state_ != State::over && state_ != State::broken) {
        const bool is_streamed = state_ == State::value || state_ == State::skipped;
        const std::uint64_t missing = is_streamed ? needed_ : needed_ - gathered_.size();
        const std::string_view now = in.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(missing, in.size())));
        in.remove_prefix(now.size());
        if (!is_streamed) {
            gathered_ += now;
            if (gathered_.size() == needed_) step();
            continue;
        }
        if (state_ == State::value) listener_.on_value(property_, now);
        needed_ -= now.size();
        if (needed_ > 0) continue;
        if (state_ == State::value) skip(padding_, State::value_length);
        else skipped_over();
    }
}

void MapiProperties::step() {
    switch (state_) {
        case State::count:
            properties_left_ = number();
            if (properties_left_ == 0) state_ = State::over;
            else want(State::tag, 4);
            break;
        case State::tag:
            property_ = {.id = static_cast<std::uint16_t>(number() >> 16U), .type = static_cast<std::uint16_t>(number() & 0xffffU)};
            if (property_.id >= 0x8000) want(State::named, 20);
            else value_follows();
            break;
        case State::named:
            gathered_.erase(0, 16);  // its GUID
            if (number() == 0) want(State::named_id, 4);
            else want(State::name_length, 4);
            break;
        case State::named_id: value_follows(); break;
        case State::name_length: {
            const std::uint32_t size = number();
            skip(std::uint64_t{size} + padding_of(size), State::named_id);
            break;
        }
        case State::value_count:
            values_left_ = number();
            next_value();
            break;
        case State::value_length: {
            const std::uint32_t size = number();
            padding_ = padding_of(size);
            listener_.on_value_begin(property_);
            if (size > 0) want(State::value, size);
            else skip(0, State::value_length);
            break;
        }
        case State::value:
        case State::skipped:
        case State::over:
        case State::broken: break;
    }
}

// Behind its tag and its name.
void MapiProperties::value_follows() {
    const auto type = static_cast<std::uint16_t>(property_.type & ~many);
    if (property_.type == null) return skip(0, State::tag);
    if (!is_sized(type) && fixed_size(type) == 0) state_ = State::broken;  // where the next one begins is not known
    else if (is_sized(type) || (property_.type & many) != 0) want(State::value_count, 4);
    else skip(fixed_size(type), State::tag);
}

void MapiProperties::next_value() {
    const auto type = static_cast<std::uint16_t>(property_.type & ~many);
    if (values_left_ == 0) return property_over();
    if (!is_sized(type)) return skip(values_left_ * fixed_size(type), State::tag);
    --values_left_;
    want(State::value_length, 4);
}

void MapiProperties::property_over() {
    if (--properties_left_ == 0) state_ = State::over;
    else want(State::tag, 4);
}

void MapiProperties::skip(std::uint64_t octets, State next) {
    behind_skipped_ = next;
    want(State::skipped, octets);
    if (octets == 0) skipped_over();
}

void MapiProperties::skipped_over() {
    if (behind_skipped_ == State::named_id) value_follows();
    else if (behind_skipped_ == State::value_length) next_value();
    else property_over();
}

}  // namespace sluice::mime
