// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/yara_engine.h"

#include "base/text.h"

#include <yara.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <new>
#include <optional>

namespace sluice::inspect {

namespace {

constexpr std::string_view engine_name = "yara";
// Rule packs bring warnings by the hundred (slow expressions): enough to see what is meant.
constexpr std::size_t told_per_file = 20;

constexpr std::array<const char*, 5> externals{"filename", "filepath", "extension", "filetype", "owner"};

struct CompilerEnd {
    void operator()(YR_COMPILER* compiler) const { yr_compiler_destroy(compiler); }
};
struct FileEnd {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using Compiler = std::unique_ptr<YR_COMPILER, CompilerEnd>;

// Never finalised: rules live in all processes until their end.
bool is_library_ready() {
    static const bool ready = yr_initialize() == ERROR_SUCCESS;
    return ready;
}

std::string line_of(const std::string& path, std::size_t number) {
    std::ifstream file(path);
    std::string line;
    for (std::size_t i = 0; i < number && std::getline(file, line);) ++i;
    if (line.size() > 200) line.resize(200);
    return file ? line : std::string();
}

// What the compiler says of one file.
struct Listener {
    const std::string& file;
    Diagnostics& diagnostics;
    std::size_t told = 0;

    static void on_message(int level, const char* file_name, int line, const YR_RULE*, const char* message, void* self) {
        static_cast<Listener*>(self)->tell(level, file_name, line, message);
    }
    void tell(int level, const char* file_name, int line, const char* message) {
        const bool is_error = level == YARA_ERROR_LEVEL_ERROR;
        if (!is_error && told >= told_per_file) return;
        ++told;
        Place place{.file = file_name ? file_name : file, .line = line > 0 ? static_cast<std::size_t>(line) : 0};
        std::string source = line_of(place.file, place.line);
        diagnostics.push_back({.place = std::move(place),
                               .message = message,
                               .source_line = std::move(source),
                               .severity = is_error ? Diagnostic::Severity::error : Diagnostic::Severity::warning});
    }
};

Compiler make_compiler() {
    YR_COMPILER* made = nullptr;
    if (!is_library_ready() || yr_compiler_create(&made) != ERROR_SUCCESS) throw std::bad_alloc();
    Compiler compiler(made);
    for (const char* external : externals)
        if (yr_compiler_define_string_variable(made, external, "") != ERROR_SUCCESS) throw std::bad_alloc();
    return compiler;
}

// Whether the file has no fault.
bool add(YR_COMPILER& compiler, const std::string& path, Diagnostics& diagnostics) {
    const std::unique_ptr<std::FILE, FileEnd> file(std::fopen(path.c_str(), "re"));
    if (!file) {
        diagnostics.push_back(
            {.place = {.file = path}, .message = std::string("cannot be read: ") + std::strerror(errno), .source_line = {}});
        return false;
    }
    Listener listener{path, diagnostics};
    yr_compiler_set_callback(&compiler, Listener::on_message, &listener);
    const int errors = yr_compiler_add_file(&compiler, file.get(), path.c_str(), path.c_str());
    yr_compiler_set_callback(&compiler, nullptr, nullptr);
    if (errors == 0) return true;
    if (listener.told == 0) diagnostics.push_back({.place = {.file = path}, .message = "is not a file of YARA rules", .source_line = {}});
    return false;
}

bool only_tells(YR_RULE* rule) {
    const char* tag = nullptr;
    yr_rule_tags_foreach(rule, tag) if (equals_ignoring_case(tag, "info")) return true;
    YR_META* meta = nullptr;
    yr_rule_metas_foreach(rule, meta) {
        if (meta->type == META_TYPE_STRING && std::string_view(meta->identifier) == "effect" && std::string_view(meta->string) == "match")
            return true;
    }
    return false;
}

int on_rule(YR_SCAN_CONTEXT*, int message, void* data, void* outcome) {
    if (message != CALLBACK_MSG_RULE_MATCHING) return CALLBACK_CONTINUE;
    auto* rule = static_cast<YR_RULE*>(data);
    Outcome& into = *static_cast<Outcome*>(outcome);
    std::string name = std::string("YARA.") + rule->identifier;
    if (only_tells(rule)) into.matches.push_back(std::move(name));
    else into.add(Outcome::infected(std::move(name), engine_name));
    return CALLBACK_CONTINUE;
}

}  // namespace

std::unique_ptr<YaraRules> YaraRules::compile(const std::vector<std::string>& files, Diagnostics& diagnostics) {
    Compiler compiler = make_compiler();
    bool is_good = true;
    for (const std::string& file : files) {
        if (add(*compiler, file, diagnostics)) continue;
        is_good = false;
        compiler = make_compiler();                          // one that met a fault takes no more; what follows is only checked
    }
    YR_RULES* rules = nullptr;
    if (!is_good || yr_compiler_get_rules(compiler.get(), &rules) != ERROR_SUCCESS) return nullptr;
    return std::unique_ptr<YaraRules>(new YaraRules(rules));
}

YaraRules::~YaraRules() { yr_rules_destroy(rules_); }

std::size_t YaraRules::size() const { return rules_->num_rules; }

YaraEngine::YaraEngine(const YaraRules& rules) {
    if (yr_scanner_create(rules.rules_, &scanner_) != ERROR_SUCCESS) throw std::bad_alloc();
    // A fault in libyara must end the process, not be caught half-way: the memory behind it is not to be trusted.
    yr_scanner_set_flags(scanner_, SCAN_FLAGS_FAST_MODE | SCAN_FLAGS_NO_TRYCATCH | SCAN_FLAGS_REPORT_RULES_MATCHING);
}

YaraEngine::~YaraEngine() { yr_scanner_destroy(scanner_); }

Outcome YaraEngine::scan(std::string_view object, std::string_view name, std::chrono::steady_clock::time_point deadline) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left.count() <= 0) return Outcome::unscannable(Reason::timeout, engine_name);
    // libyara counts whole seconds; who is exact is the proxy, which kills.
    yr_scanner_set_timeout(scanner_,
                           static_cast<int>(std::min<std::int64_t>(std::chrono::ceil<std::chrono::seconds>(left).count(), 86'400)));

    const std::string path(name.substr(0, name.find('\0')));
    const std::string file = path.substr(path.find_last_of("/\\") + 1);
    const std::size_t dot = file.rfind('.');
    const std::string extension = dot == std::string::npos ? std::string() : lower(std::string_view(file).substr(dot));
    yr_scanner_define_string_variable(scanner_, "filename", file.c_str());
    yr_scanner_define_string_variable(scanner_, "filepath", path.c_str());
    yr_scanner_define_string_variable(scanner_, "extension", extension.c_str());

    Outcome outcome = Outcome::clean();
    yr_scanner_set_callback(scanner_, on_rule, &outcome);
    const int error = yr_scanner_scan_mem(scanner_, reinterpret_cast<const std::uint8_t*>(object.data()), object.size());
    switch (error) {
        case ERROR_SUCCESS: break;
        case ERROR_SCAN_TIMEOUT: outcome.add(Outcome::unscannable(Reason::timeout, engine_name)); break;
        case ERROR_INSUFFICIENT_MEMORY: outcome.add(Outcome::unscannable(Reason::too_large, engine_name)); break;
        default: outcome.add(Outcome::unscannable(Reason::crashed, engine_name)); break;
    }
    return outcome;
}

}  // namespace sluice::inspect
