// SPDX-License-Identifier: Apache-2.0
// BinHex 4.0 undone (RFC 1741) as it streams: a name and two forks, in six bits a character, runs shortened. Checksums are not looked at: who made
// them wrong would have it skipped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::mime {

class BinHexDecoder {
public:
    // A piece of what stands from its first colon on, blanks and line ends too. Appends what became of it, at most `most` octets; nothing of what is
    // behind the second colon. What is no digit is left out.
    void feed(std::string_view text, std::size_t most, std::string& data_fork, std::string& resource_fork);

    const std::string& name() const { return name_; }  // as it stands there; empty until a fork has an octet
    bool is_over() const { return state_ == State::over || is_broken(); }
    bool is_broken() const { return state_ == State::broken || state_ == State::too_large; }  // what followed was not decoded
    bool is_too_large() const { return state_ == State::too_large; }

private:
    // What the next octets are.
    enum class State : std::uint8_t { colon, head, data, data_checksum, resource, resource_checksum, over, broken, too_large };

    void octet(char octet, std::size_t times);
    void read_head();
    void fork_over();

    std::size_t most_ = 0;  // of the call that is under way
    State state_ = State::colon;
    unsigned bits_ = 0;
    unsigned bit_count_ = 0;
    bool is_run_ = false;  // the next octet says how often the last one stands
    char last_ = 0;
    std::string head_;
    std::string name_;
    std::uint64_t left_ = 0;  // octets of what the state says
    std::uint64_t resource_size_ = 0;
    std::string* data_ = nullptr;  // of the call that is under way
    std::string* resource_ = nullptr;
};

}  // namespace sluice::mime
