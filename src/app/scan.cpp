// SPDX-License-Identifier: Apache-2.0
// `sluice scan FILE…`: files through the same pipeline that payloads go through, with scanner processes of its own.
#include "app/commands.h"
#include "app/inspection.h"
#include "app/loaded.h"
#include "app/scanners.h"
#include "inspect/payload.h"
#include "net/worker.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <system_error>
#include <vector>

namespace sluice::app {

namespace {

// The exit codes, the gravest of all files: what was found counts before what could not be looked at.
enum class Found { clean = 0, infected = 1, unscannable = 2, failed = 3 };

struct FileResult {
    std::string path;
    std::string error;                                     // it could not be read
    inspect::Outcome outcome;
    inspect::MediaType type;
    std::uint64_t size = 0;
    std::vector<inspect::MemberFindings> members;
};

class Scan {
public:
    Scan(const Loaded& loaded, inspect::Shared& shared) : loaded_(loaded), shared_(shared), bench_(loaded.config.limits) {}

    FileResult run(const std::string& path) {
        FileResult result;
        result.path = path;
        worker_.run(scan(path, result));
        return result;
    }

private:
    net::Task<void> scan(const std::string& path, FileResult& result) {
        const inspect::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
        struct stat status{};
        if (!file || ::fstat(file.get(), &status) != 0 || S_ISDIR(status.st_mode)) {
            result.error = std::strerror(file ? EISDIR : errno);
            co_return;
        }
        payload_.begin(loaded_.inspect, {});
        inspect::Payload::Views out;
        std::vector<char> buffer(256 * 1024);
        for (bool ended = false; !ended;) {
            const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) {
                result.error = std::strerror(errno);
                break;
            }
            ended = got == 0;
            out.clear();
            payload_.step();
            if (ended) payload_.end(true);
            else payload_.push({buffer.data(), static_cast<std::size_t>(got)}, false, out);
            follow_up(path, out);
            while (payload_.has_work()) {
                out.clear();
                if (const auto worked = co_await payload_.work(out); !worked) {
                    result.error = worked.error().what;
                    break;
                }
                follow_up(path, out);
            }
            if (!result.error.empty()) break;
        }
        result.outcome = payload_.outcome();
        result.type = payload_.type();
        result.size = payload_.size();
        result.members.assign(payload_.members().begin(), payload_.members().end());
        payload_.clear();
    }

    // Nobody waits for the bytes: they go nowhere, whatever is found.
    void follow_up(const std::string& path, inspect::Payload::Views& out) {
        if (!payload_.is_planned() && (payload_.is_identified() || payload_.has_news())) {
            inspect::Examination examination;
            examination.engines = loaded_.inspect->engines;
            examination.whole = loaded_.config.inspect.whole;
            examination.name = std::filesystem::path(path).filename().string();
            payload_.deliver(inspect::choose_delivery(loaded_.config.inspect.deliver, payload_.type(), {}, 0), std::move(examination), out);
        }
        if (payload_.has_news()) payload_.accept_news(out);
    }

    const Loaded& loaded_;
    inspect::Shared& shared_;
    net::Worker worker_;
    inspect::Bench bench_;
    inspect::Payload payload_{worker_, bench_, shared_};
};

Found found_in(const FileResult& result) {
    if (!result.error.empty()) return Found::failed;
    switch (result.outcome.verdict) {
        case inspect::Verdict::infected: return Found::infected;
        case inspect::Verdict::unscannable:
        case inspect::Verdict::skipped: return Found::unscannable;  // nobody looked
        case inspect::Verdict::clean: return Found::clean;
    }
    return Found::failed;
}

void print(std::ostream& out, const FileResult& result) {
    if (!result.error.empty()) return;
    const inspect::Outcome& outcome = result.outcome;
    std::string line = fmt::format("{}: {}", result.path, to_string(outcome.verdict));
    if (!outcome.threat.empty()) line += fmt::format(" {}", outcome.threat);
    if (outcome.reason != inspect::Reason::none) line += fmt::format(" ({})", to_string(outcome.reason));
    else if (!outcome.engine.empty()) line += fmt::format(" ({})", outcome.engine);
    for (const std::string& match : outcome.matches) line += fmt::format(" [{}]", match);
    out << line << "\n";
}

boost::json::object to_json(const FileResult& result) {
    boost::json::object object{{"file.path", result.path}};
    if (!result.error.empty()) {
        object["error"] = result.error;
        return object;
    }
    object["file.size"] = result.size;
    object["file.mime_type"] = result.type.mime;
    object["scan.verdict"] = to_string(result.outcome.verdict);
    if (!result.outcome.threat.empty()) object["scan.threat"] = result.outcome.threat;
    if (!result.outcome.engine.empty()) object["scan.engine"] = result.outcome.engine;
    if (result.outcome.reason != inspect::Reason::none) object["scan.reason"] = to_string(result.outcome.reason);
    if (!result.outcome.matches.empty()) {
        boost::json::array matches;
        for (const std::string& match : result.outcome.matches) matches.emplace_back(match);
        object["scan.match"] = std::move(matches);
    }
    return object;
}

}  // namespace

int run_scan(const CommandLine& line, std::ostream& out, std::ostream& err) {
    const auto failed = static_cast<int>(Found::failed);
    const Loaded loaded = load(line.config, nullptr);
    err << to_string(loaded.faults);
    if (!loaded.is_usable()) return failed;
    auto shared = open_inspection(loaded.config);
    if (!shared) {
        err << "sluice: " << shared.error() << "\n";
        return failed;
    }
    // The state folder is the running instance's: there may be none, or it is another user's.
    std::string& folder = (*shared)->storage.folder;
    if (std::error_code none; ::access(folder.c_str(), W_OK | X_OK) != 0) folder = std::filesystem::temp_directory_path(none).string();
    Scan scan(loaded, **shared);
    std::unique_ptr<inspect::ScannerPool> scanners;
    if (!loaded.inspect->engines.empty()) {
        scanners = start_scanners();
        if (!scanners) return failed;
        Diagnostics said;
        inspect::SupervisorOptions options = supervisor_options(loaded.config, *loaded.inspect, said);
        options.scanners = 1;                              // one file after the other
        if (!has_errors(said)) said = scanners->load(options);
        err << to_string(said);
        if (has_errors(said)) return failed;
        (*shared)->scanners = scanners.get();
    }
    bool any[4]{};
    for (const std::string& path : line.files) {
        const FileResult result = scan.run(path);
        if (!result.error.empty()) err << fmt::format("sluice: {}: {}\n", path, result.error);
        if (line.json) out << boost::json::serialize(to_json(result)) << "\n";
        else print(out, result);
        any[static_cast<int>(found_in(result))] = true;
    }
    for (const Found each : {Found::infected, Found::failed, Found::unscannable})
        if (any[static_cast<int>(each)]) return static_cast<int>(each);
    return static_cast<int>(Found::clean);
}

}  // namespace sluice::app
