// SPDX-License-Identifier: Apache-2.0
#include "common/wire/parameter_table.h"

#include <algorithm>

namespace pgmahout {
namespace {

constexpr double kIntMax = 2147483647;
constexpr double kByte = 1;
constexpr double kKb = 1024;
constexpr double kMb = 1024 * 1024;
constexpr double kBlock = 8192;
constexpr double kMs = 1;
constexpr double kSecond = 1'000;
constexpr double kMinute = 60'000;

ParameterRule BoolRule(absl::string_view name) {
  return {name, ParameterType::kBool, 1, 0, 0, ""};
}

ParameterRule EnumRule(absl::string_view name, absl::string_view words) {
  return {name, ParameterType::kEnum, 1, 0, 0, words};
}

ParameterRule IntegerRule(absl::string_view name, double min, double max) {
  return {name, ParameterType::kInteger, 1, min, max, ""};
}

ParameterRule RealRule(absl::string_view name, double min, double max) {
  return {name, ParameterType::kReal, 1, min, max, ""};
}

ParameterRule SizeRule(absl::string_view name, double base, double min, double max) {
  return {name, ParameterType::kSize, base, min, max, ""};
}

ParameterRule TimeRule(absl::string_view name, double base, double min, double max) {
  return {name, ParameterType::kTime, base, min, max, ""};
}

std::vector<ParameterRule> BuildTable() {
  std::vector<ParameterRule> table = {
      TimeRule("archive_timeout", kSecond, 0, 1073741823),
      BoolRule("array_nulls"),
      TimeRule("authentication_timeout", kSecond, 1, 600),
      BoolRule("autovacuum"),
      RealRule("autovacuum_analyze_scale_factor", 0, 100),
      IntegerRule("autovacuum_analyze_threshold", 0, kIntMax),
      IntegerRule("autovacuum_freeze_max_age", 100000, 2000000000),
      IntegerRule("autovacuum_max_workers", 1, 262143),
      IntegerRule("autovacuum_multixact_freeze_max_age", 10000, 2000000000),
      TimeRule("autovacuum_naptime", kSecond, 1, 2147483),
      TimeRule("autovacuum_vacuum_cost_delay", kMs, -1, 100),
      IntegerRule("autovacuum_vacuum_cost_limit", -1, 10000),
      RealRule("autovacuum_vacuum_insert_scale_factor", 0, 100),
      IntegerRule("autovacuum_vacuum_insert_threshold", -1, kIntMax),
      RealRule("autovacuum_vacuum_scale_factor", 0, 100),
      IntegerRule("autovacuum_vacuum_threshold", 0, kIntMax),
      SizeRule("autovacuum_work_mem", kKb, -1, kIntMax),
      TimeRule("bgwriter_delay", kMs, 10, 10000),
      IntegerRule("bgwriter_lru_maxpages", 0, 1073741823),
      RealRule("bgwriter_lru_multiplier", 0, 10),
      EnumRule("bytea_output", "escape,hex"),
      BoolRule("check_function_bodies"),
      RealRule("checkpoint_completion_target", 0, 1),
      TimeRule("checkpoint_timeout", kSecond, 30, 86400),
      TimeRule("checkpoint_warning", kSecond, 0, kIntMax),
      TimeRule("client_connection_check_interval", kMs, 0, kIntMax),
      EnumRule("client_min_messages",
               "debug5,debug4,debug3,debug2,debug1,debug,log,notice,warning,error"),
      IntegerRule("commit_delay", 0, 100000),
      IntegerRule("commit_siblings", 0, 1000),
      EnumRule("compute_query_id", "auto,regress,on,off,true,false,yes,no,1,0"),
      EnumRule("constraint_exclusion", "partition,on,off,true,false,yes,no,1,0"),
      RealRule("cpu_index_tuple_cost", 0, 1e308),
      RealRule("cpu_operator_cost", 0, 1e308),
      RealRule("cpu_tuple_cost", 0, 1e308),
      RealRule("cursor_tuple_fraction", 0, 1),
      BoolRule("data_sync_retry"),
      TimeRule("deadlock_timeout", kMs, 1, kIntMax),
      BoolRule("debug_pretty_print"),
      BoolRule("debug_print_parse"),
      BoolRule("debug_print_plan"),
      BoolRule("debug_print_rewritten"),
      IntegerRule("default_statistics_target", 1, 10000),
      EnumRule("default_toast_compression", "pglz,lz4"),
      BoolRule("default_transaction_deferrable"),
      EnumRule("default_transaction_isolation",
               "serializable,repeatable read,read committed,read uncommitted"),
      BoolRule("default_transaction_read_only"),
      SizeRule("effective_cache_size", kBlock, 1, kIntMax),
      IntegerRule("effective_io_concurrency", 0, 1000),
      BoolRule("enable_async_append"),
      BoolRule("enable_bitmapscan"),
      BoolRule("enable_gathermerge"),
      BoolRule("enable_group_by_reordering"),
      BoolRule("enable_hashagg"),
      BoolRule("enable_hashjoin"),
      BoolRule("enable_incremental_sort"),
      BoolRule("enable_indexonlyscan"),
      BoolRule("enable_indexscan"),
      BoolRule("enable_material"),
      BoolRule("enable_memoize"),
      BoolRule("enable_mergejoin"),
      BoolRule("enable_nestloop"),
      BoolRule("enable_parallel_append"),
      BoolRule("enable_parallel_hash"),
      BoolRule("enable_partition_pruning"),
      BoolRule("enable_partitionwise_aggregate"),
      BoolRule("enable_partitionwise_join"),
      BoolRule("enable_presorted_aggregate"),
      BoolRule("enable_seqscan"),
      BoolRule("enable_sort"),
      BoolRule("enable_tidscan"),
      BoolRule("escape_string_warning"),
      IntegerRule("extra_float_digits", -15, 3),
      IntegerRule("from_collapse_limit", 1, kIntMax),
      BoolRule("geqo"),
      IntegerRule("geqo_effort", 1, 10),
      IntegerRule("geqo_generations", 0, kIntMax),
      IntegerRule("geqo_pool_size", 0, kIntMax),
      RealRule("geqo_seed", 0, 1),
      RealRule("geqo_selection_bias", 1.5, 2),
      IntegerRule("geqo_threshold", 2, kIntMax),
      IntegerRule("gin_fuzzy_search_limit", 0, kIntMax),
      SizeRule("gin_pending_list_limit", kKb, 64, kIntMax),
      RealRule("hash_mem_multiplier", 1, 1000),
      BoolRule("hot_standby_feedback"),
      SizeRule("huge_page_size", kKb, 0, kIntMax),
      EnumRule("huge_pages", "try,on,off,true,false,yes,no,1,0"),
      TimeRule("idle_in_transaction_session_timeout", kMs, 0, kIntMax),
      TimeRule("idle_session_timeout", kMs, 0, kIntMax),
      BoolRule("jit"),
      RealRule("jit_above_cost", -1, 1e308),
      RealRule("jit_inline_above_cost", -1, 1e308),
      RealRule("jit_optimize_above_cost", -1, 1e308),
      IntegerRule("join_collapse_limit", 1, kIntMax),
      BoolRule("lo_compat_privileges"),
      TimeRule("lock_timeout", kMs, 0, kIntMax),
      TimeRule("log_autovacuum_min_duration", kMs, -1, kIntMax),
      BoolRule("log_checkpoints"),
      BoolRule("log_connections"),
      BoolRule("log_disconnections"),
      BoolRule("log_duration"),
      EnumRule("log_error_verbosity", "terse,default,verbose"),
      BoolRule("log_executor_stats"),
      BoolRule("log_hostname"),
      BoolRule("log_lock_waits"),
      TimeRule("log_min_duration_sample", kMs, -1, kIntMax),
      TimeRule("log_min_duration_statement", kMs, -1, kIntMax),
      EnumRule(
          "log_min_error_statement",
          "debug5,debug4,debug3,debug2,debug1,debug,info,notice,warning,error,log,fatal,panic"),
      EnumRule(
          "log_min_messages",
          "debug5,debug4,debug3,debug2,debug1,debug,info,notice,warning,error,log,fatal,panic"),
      BoolRule("log_parser_stats"),
      BoolRule("log_planner_stats"),
      BoolRule("log_recovery_conflict_waits"),
      BoolRule("log_replication_commands"),
      TimeRule("log_rotation_age", kMinute, 0, 35791394),
      SizeRule("log_rotation_size", kKb, 0, 2097151),
      TimeRule("log_startup_progress_interval", kMs, 0, kIntMax),
      EnumRule("log_statement", "none,ddl,mod,all"),
      RealRule("log_statement_sample_rate", 0, 1),
      BoolRule("log_statement_stats"),
      SizeRule("log_temp_files", kKb, -1, kIntMax),
      RealRule("log_transaction_sample_rate", 0, 1),
      BoolRule("log_truncate_on_rotation"),
      BoolRule("logging_collector"),
      SizeRule("logical_decoding_work_mem", kKb, 64, kIntMax),
      IntegerRule("maintenance_io_concurrency", 0, 1000),
      SizeRule("maintenance_work_mem", kKb, 1024, kIntMax),
      IntegerRule("max_connections", 1, 262143),
      IntegerRule("max_files_per_process", 64, kIntMax),
      IntegerRule("max_locks_per_transaction", 10, kIntMax),
      IntegerRule("max_logical_replication_workers", 0, 262143),
      IntegerRule("max_parallel_maintenance_workers", 0, 1024),
      IntegerRule("max_parallel_workers", 0, 1024),
      IntegerRule("max_parallel_workers_per_gather", 0, 1024),
      IntegerRule("max_pred_locks_per_page", 0, kIntMax),
      IntegerRule("max_pred_locks_per_relation", -kIntMax - 1, kIntMax),
      IntegerRule("max_pred_locks_per_transaction", 10, kIntMax),
      IntegerRule("max_prepared_transactions", 0, 262143),
      IntegerRule("max_replication_slots", 0, 262143),
      SizeRule("max_slot_wal_keep_size", kMb, -1, kIntMax),
      SizeRule("max_stack_depth", kKb, 100, kIntMax),
      TimeRule("max_standby_archive_delay", kMs, -1, kIntMax),
      TimeRule("max_standby_streaming_delay", kMs, -1, kIntMax),
      IntegerRule("max_sync_workers_per_subscription", 0, 262143),
      IntegerRule("max_wal_senders", 0, 262143),
      SizeRule("max_wal_size", kMb, 32, kIntMax),
      IntegerRule("max_worker_processes", 0, 262143),
      SizeRule("min_dynamic_shared_memory", kMb, 0, kIntMax),
      SizeRule("min_parallel_index_scan_size", kBlock, 0, 715827882),
      SizeRule("min_parallel_table_scan_size", kBlock, 0, 715827882),
      SizeRule("min_wal_size", kMb, 32, kIntMax),
      BoolRule("parallel_leader_participation"),
      RealRule("parallel_setup_cost", 0, 1e308),
      RealRule("parallel_tuple_cost", 0, 1e308),
      EnumRule("plan_cache_mode", "auto,force_generic_plan,force_custom_plan"),
      BoolRule("quote_all_identifiers"),
      RealRule("random_page_cost", 0, 1e308),
      EnumRule("recovery_prefetch", "try,on,off,true,false,yes,no,1,0"),
      RealRule("recursive_worktable_factor", 0.001, 1e+06),
      IntegerRule("reserved_connections", 0, 262143),
      BoolRule("restart_after_crash"),
      BoolRule("row_security"),
      RealRule("seq_page_cost", 0, 1e308),
      EnumRule("session_replication_role", "origin,replica,local"),
      SizeRule("shared_buffers", kBlock, 16, 1073741823),
      BoolRule("standard_conforming_strings"),
      TimeRule("statement_timeout", kMs, 0, kIntMax),
      BoolRule("summarize_wal"),
      IntegerRule("superuser_reserved_connections", 0, 262143),
      BoolRule("synchronize_seqscans"),
      EnumRule("synchronous_commit",
               "on,remote_apply,remote_write,local,off,true,false,yes,no,1,0"),
      BoolRule("syslog_sequence_numbers"),
      BoolRule("syslog_split_messages"),
      IntegerRule("tcp_keepalives_count", 0, kIntMax),
      TimeRule("tcp_keepalives_idle", kSecond, 0, kIntMax),
      TimeRule("tcp_keepalives_interval", kSecond, 0, kIntMax),
      TimeRule("tcp_user_timeout", kMs, 0, kIntMax),
      SizeRule("temp_buffers", kBlock, 100, 1073741823),
      SizeRule("temp_file_limit", kKb, -1, kIntMax),
      BoolRule("track_activities"),
      SizeRule("track_activity_query_size", kByte, 100, 1048576),
      BoolRule("track_commit_timestamp"),
      BoolRule("track_counts"),
      EnumRule("track_functions", "none,pl,all"),
      BoolRule("track_io_timing"),
      BoolRule("track_wal_io_timing"),
      TimeRule("transaction_timeout", kMs, 0, kIntMax),
      BoolRule("transform_null_equals"),
      BoolRule("update_process_title"),
      SizeRule("vacuum_buffer_usage_limit", kKb, 0, 16777216),
      TimeRule("vacuum_cost_delay", kMs, 0, 100),
      IntegerRule("vacuum_cost_limit", 1, 10000),
      IntegerRule("vacuum_cost_page_dirty", 0, 10000),
      IntegerRule("vacuum_cost_page_hit", 0, 10000),
      IntegerRule("vacuum_cost_page_miss", 0, 10000),
      IntegerRule("vacuum_failsafe_age", 0, 2100000000),
      IntegerRule("vacuum_freeze_min_age", 0, 1000000000),
      IntegerRule("vacuum_freeze_table_age", 0, 2000000000),
      IntegerRule("vacuum_multixact_failsafe_age", 0, 2100000000),
      IntegerRule("vacuum_multixact_freeze_min_age", 0, 1000000000),
      IntegerRule("vacuum_multixact_freeze_table_age", 0, 2000000000),
      SizeRule("wal_buffers", kBlock, -1, 262143),
      EnumRule("wal_compression", "on,off,pglz,lz4,zstd,true,false,yes,no,1,0"),
      BoolRule("wal_init_zero"),
      SizeRule("wal_keep_size", kMb, 0, kIntMax),
      TimeRule("wal_receiver_status_interval", kSecond, 0, 2147483),
      TimeRule("wal_receiver_timeout", kMs, 0, kIntMax),
      BoolRule("wal_recycle"),
      TimeRule("wal_retrieve_retry_interval", kMs, 1, kIntMax),
      TimeRule("wal_sender_timeout", kMs, 0, kIntMax),
      SizeRule("wal_skip_threshold", kKb, 0, kIntMax),
      EnumRule("wal_sync_method", "fsync,fdatasync,open_sync,open_datasync"),
      TimeRule("wal_writer_delay", kMs, 1, 10000),
      SizeRule("work_mem", kKb, 64, kIntMax)};
  std::sort(table.begin(), table.end(),
            [](const ParameterRule& a, const ParameterRule& b) { return a.name < b.name; });
  return table;
}

}  // namespace

const std::vector<ParameterRule>& ParameterTable() {
  static const auto* const kTable = new std::vector<ParameterRule>(BuildTable());
  return *kTable;
}

const ParameterRule* FindParameterRule(absl::string_view name) {
  const std::vector<ParameterRule>& table = ParameterTable();
  const auto it =
      std::lower_bound(table.begin(), table.end(), name,
                       [](const ParameterRule& a, absl::string_view b) { return a.name < b; });
  return it != table.end() && it->name == name ? &*it : nullptr;
}

}  // namespace pgmahout
