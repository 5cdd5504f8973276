// SPDX-License-Identifier: Apache-2.0
// Where a session is on its server, so that rules see whole paths. The server gets what the client wrote, byte for byte: this is for judging alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::ftp {

class WorkingDirectory {
public:
    // Of the server's own words: a 257's text, the name between the first `"` and the next that is not doubled (RFC 959 app. II). A name that does
    // not begin with a slash ("C:\ftp") is put below the root. False, and nothing changes: it has none.
    bool set_from_reply(std::string_view text);
    void set(std::string_view absolute) { path_ = absolute; }
    // Absolute, dot segments removed, one slash between names, none at the end but of "/" itself. Backslashes are what they are; control octets
    // stay. An empty argument: the directory itself. "~" and "~user" at the front are names: where they lead, only the server knows. Its length is
    // not bounded but by the argument's and the directory's.
    std::string resolve(std::string_view argument) const;
    void change(std::string_view argument) { path_ = resolve(argument); }
    void up() { path_ = resolve(".."); }
    const std::string& path() const { return path_; }

private:
    std::string path_ = "/";
};

// The last segment; empty for "/".
std::string_view name_of(std::string_view path);
// What STOU's 125 or 150 says (RFC 1123 4.1.2.9), "FILE: name", in whatever words stand before it. The name goes to the end, blanks and all.
// nullopt: none.
std::optional<std::string> name_from_stou(std::string_view text);

}  // namespace sluice::ftp
