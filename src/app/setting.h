// SPDX-License-Identifier: Apache-2.0
// One key of the configuration with its value and its place: asked for a value of a kind, it gives it or reports what is wrong with it.
// The only header that knows the TOML library, besides those who read tables with it.
#pragma once

#include "app/config.h"
#include "base/diagnostic.h"
#include "base/source_text.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <toml++/toml.h>

namespace sluice::app {

// A file being read.
struct SourceFile : SourceText {
    SourceFile(std::string file_name, std::string contents, std::filesystem::path in)
        : SourceText(std::move(file_name), std::move(contents)),
          folder(std::move(in)) {}

    std::filesystem::path folder;                         // what relative paths are relative to
};

// Where a key was given.
struct Given : Place {
    std::string source_line;
};

// What one reading of the configuration, over all its files, gathers.
struct Reading {
    Diagnostics& faults;
    std::map<std::string, Given, std::less<>> given;      // key path -> where: a key given twice is a fault
    // Of [inspect] engines: whether each can be used only the whole says.
    std::vector<policy::Text> engines{};

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
    // The same; those with "https://" before them go into `in_tls`.
    std::optional<std::vector<IpPort>> listeners(std::vector<IpPort>& in_tls);
    std::optional<std::vector<IpNetwork>> networks();
    std::optional<std::vector<PortRange>> ports();  // numbers and "from-to"

    std::vector<policy::Text> placed_texts();  // as `texts`, each with its place; those that are no strings are faults and left out
    // The files that patterns name: see `files_matching`. A name without wild cards must be there.
    std::optional<std::vector<std::filesystem::path>> files();

    policy::Text as_text(const std::string& value) const;  // with the place of its first character in the file
    Given place() const;  // of the key

    void fault(std::string message);  // at the value
    void fault_at(const toml::node& part, std::string message);
    void fault_at_key(std::string message);

private:
    Reading& reading_;
    const SourceFile& file_;
    std::string path_;
    const toml::key& key_;
    const toml::node& node_;
};

// A string node's value with its place: see SourceText::string_at.
policy::Text text_of(const SourceFile& file, const toml::node& node, std::string value);

// The files that a pattern with `*`, `?` or `[…]` names, in name order. nullopt: a folder cannot be read.
std::optional<std::vector<std::filesystem::path>> files_matching(const std::filesystem::path& pattern);

// "string", "integer", … in a person's words.
std::string_view kind_of(const toml::node& node);

}  // namespace sluice::app
