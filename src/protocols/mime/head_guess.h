// SPDX-License-Identifier: Apache-2.0
// Whether content begins like the head of a message or a part, so that who opens it may find what is in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::mime {

class HeadGuess {
public:
    enum class Answer : std::uint8_t { open, yes, no };

    static constexpr std::size_t looked_at = 4 * 1024;  // octets, at most

    // Whether something says that it is a head: then one field is enough, and lines that are none do not speak against it. Without that only fields
    // which say how the content is to be read are, or a long head of a message that has passed servers.
    enum class Expected : std::uint8_t {
        no,
        by_place,  // an entity's: if it begins with an empty line, it has none
        by_name,  // a file's name, or a type: somebody will open it as mail, whatever is in it
    };
    explicit HeadGuess(Expected expected) : is_expected_(expected != Expected::no), is_certain_(expected == Expected::by_name) {}

    Answer feed(std::string_view octets);
    // No more comes.
    Answer finish();

    std::size_t skipped() const { return skipped_; }  // octets before the head: a byte order mark, empty lines

private:
    Answer octet(char octet);
    Answer name_over();
    Answer line_over();

    bool is_expected_;
    bool is_certain_;
    Answer answer_ = Answer::open;
    std::size_t seen_ = 0;
    std::size_t skipped_ = 0;
    std::string name_;  // what the current line begins with, as long as it may be a field's name
    bool is_named_ = false;  // the current line is a field's, or what continues one
    bool is_none_ = false;  // it is not
    bool is_line_empty_ = true;
    bool is_behind_cr_ = false;
    bool has_lines_ = false;
    bool has_passed_servers_ = false;
};

}  // namespace sluice::mime
