// SPDX-License-Identifier: Apache-2.0
// One key of the configuration with its value and its place: asked for a value of a kind, it gives it or reports what is wrong with it.
// The only header that knows the TOML library, besides those who read tables with it.
#pragma once

#include "app/config.h"
#include "base/diagnostic.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

namespace sluice::app {

// A file being read, with its lines, for places and carets.
struct SourceFile {
    SourceFile(std::string name, std::string text, std::filesystem::path folder);
    std::size_t offset(std::size_t number) const;         // of that line's first byte in `text`
    std::string line(std::size_t number) const;           // from 1; empty beyond the end

    std::string name;                                     // as it stands in faults
    std::string text;
    std::filesystem::path folder;                         // what relative paths are relative to

private:
    std::vector<std::size_t> line_starts_;
};

// What one reading of the configuration, over all its files, gathers.
struct Reading {
    Diagnostics& faults;
    std::map<std::string, Place, std::less<>> given;      // key path -> where: a key given twice is a fault
    bool without_effect = false;                          // the current section held something that this version does not do

    void fault(const SourceFile& file, const toml::source_position& at, std::string message,
               Diagnostic::Severity severity = Diagnostic::Severity::error);
};

class Setting {
public:
    // `path`: "http.listen". All references outlive the setting.
    Setting(Reading& reading, const SourceFile& file, std::string path, const toml::key& key, const toml::node& node)
        : reading_(reading),
          file_(file),
          path_(std::move(path)),
          key_(key),
          node_(node) {}

    std::string_view name() const { return key_.str(); }
    const std::string& path() const { return path_; }
    const toml::node& node() const { return node_; }
    const toml::key& key() const { return key_; }
    const SourceFile& file() const { return file_; }
    Reading& reading() const { return reading_; }

    // Each: the value, or nullopt after a fault was reported.
    std::optional<bool> boolean();
    std::optional<std::int64_t> integer(std::int64_t least, std::int64_t most);
    std::optional<std::string> text();
    std::optional<std::vector<std::string>> texts();                      // a list of strings, or one string alone
    std::optional<std::chrono::milliseconds> duration(std::chrono::milliseconds least);
    std::optional<std::uint64_t> size(std::uint64_t least, std::uint64_t most = UINT64_MAX);  // "64KiB", or a number of bytes
    std::optional<std::size_t> choice(std::span<const std::string_view> words);
    std::optional<std::filesystem::path> file_path();  // absolute; empty stays empty
    std::optional<std::vector<IpPort>> listeners();
    std::optional<std::vector<IpNetwork>> networks();
    std::optional<std::vector<PortRange>> ports();  // numbers and "from-to"

    policy::Text as_text(const std::string& value) const;  // with the place of its first character in the file
    Place place() const;  // of the key

    void fault(std::string message);  // at the value
    void fault_at(const toml::node& part, std::string message);
    void fault_at_key(std::string message);
    void has_no_effect() { reading_.without_effect = true; }

private:
    Reading& reading_;
    const SourceFile& file_;
    std::string path_;
    const toml::key& key_;
    const toml::node& node_;
};

// The place of the first character of a string node's value, and the line that it stands on. Where escapes or line breaks make the way from
// value to file ambiguous, the value's own start is what is pointed at.
policy::Text text_of(const SourceFile& file, const toml::node& node, std::string value);

// "string", "integer", … in a person's words.
std::string_view kind_of(const toml::node& node);

}  // namespace sluice::app
