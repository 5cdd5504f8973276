// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/binhex_decoder.h"

#include <algorithm>
#include <array>

namespace sluice::mime {
namespace {

constexpr std::string_view alphabet = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";
constexpr char run_mark = '\x90';
constexpr std::size_t behind_name = 21;  // version, type, creator, flags, two sizes, a checksum
constexpr std::size_t sizes_at = 11;  // of these
constexpr std::uint64_t checksum_size = 2;

constexpr std::array<std::int8_t, 256> values = [] {
    std::array<std::int8_t, 256> out{};
    out.fill(-1);
    for (std::size_t i = 0; i < alphabet.size(); ++i) out[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
    return out;
}();

std::uint32_t number(std::string_view in) {
    std::uint32_t out = 0;
    for (const char c : in.substr(0, 4)) out = out << 8U | static_cast<unsigned char>(c);
    return out;
}

}  // namespace

void BinHexDecoder::feed(std::string_view text, std::size_t most, std::string& data_fork, std::string& resource_fork) {
    most_ = most;
    data_ = &data_fork;
    resource_ = &resource_fork;
    for (const char c : text) {
        if (is_over()) return;
        if (c == ':') {
            state_ = state_ == State::colon ? State::head : State::over;
            continue;
        }
        const int value = values[static_cast<unsigned char>(c)];
        if (value < 0) continue;
        if (state_ == State::colon) {
            state_ = State::broken;
            return;
        }
        bits_ = (bits_ << 6U | static_cast<unsigned>(value)) & 0x3fffU;
        bit_count_ += 6;
        if (bit_count_ < 8) continue;
        bit_count_ -= 8;
        const char now = static_cast<char>(bits_ >> bit_count_ & 0xffU);
        if (is_run_) {
            is_run_ = false;
            if (now == 0) octet(last_ = run_mark, 1);
            else octet(last_, static_cast<unsigned char>(now) - 1U);
        } else if (now == run_mark) {
            is_run_ = true;
        } else {
            octet(last_ = now, 1);
        }
    }
}

void BinHexDecoder::octet(char octet, std::size_t times) {
    while (times > 0 && !is_over()) {
        if (state_ == State::head) {
            head_ += octet;
            --times;
            read_head();
            continue;
        }
        const std::size_t now = static_cast<std::size_t>(std::min<std::uint64_t>(times, left_));
        times -= now;
        left_ -= now;
        if (state_ == State::data || state_ == State::resource) {
            if (now > most_) {
                state_ = State::too_large;
                return;
            }
            most_ -= now;
            (state_ == State::data ? data_ : resource_)->append(now, octet);
        }
        if (left_ == 0) fork_over();
    }
}

void BinHexDecoder::read_head() {
    const std::size_t name_size = static_cast<unsigned char>(head_.front());
    if (head_.size() < 1 + name_size + behind_name) return;
    name_ = head_.substr(1, name_size);
    const std::string_view rest = std::string_view(head_).substr(1 + name_size);
    left_ = number(rest.substr(sizes_at));
    resource_size_ = number(rest.substr(sizes_at + 4));
    state_ = State::data;
    if (left_ == 0) fork_over();
}

// What has no octets is over at once.
void BinHexDecoder::fork_over() {
    if (state_ == State::data) {
        state_ = State::data_checksum;
        left_ = checksum_size;
    } else if (state_ == State::data_checksum) {
        state_ = State::resource;
        left_ = resource_size_;
        if (left_ == 0) fork_over();
    } else if (state_ == State::resource) {
        state_ = State::resource_checksum;
        left_ = checksum_size;
    } else {
        state_ = State::over;
    }
}

}  // namespace sluice::mime
