-- The four tables that the exporter reads, as an agents-server's database has them: the columns
-- of the contract with their types, keys and indexes.
CREATE TABLE runners (
  tenant_id text NOT NULL DEFAULT 'default',
  id text NOT NULL,
  owner_principal text NOT NULL,
  label text NOT NULL,
  kind text NOT NULL DEFAULT 'local',
  admin_status text NOT NULL DEFAULT 'enabled',
  wake_stream text NOT NULL,
  sandbox_profiles jsonb NOT NULL DEFAULT '[]',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, wake_stream)
);
CREATE INDEX ON runners (tenant_id, owner_principal);

CREATE TABLE runner_runtime_diagnostics (
  tenant_id text NOT NULL DEFAULT 'default',
  runner_id text NOT NULL,
  owner_principal text NOT NULL DEFAULT '',
  wake_stream_offset text,
  last_seen_at timestamptz NOT NULL,
  liveness_lease_expires_at timestamptz NOT NULL,
  diagnostics jsonb,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, runner_id)
);

CREATE TABLE consumer_claims (
  tenant_id text NOT NULL DEFAULT 'default',
  consumer_id text NOT NULL,
  epoch integer NOT NULL,
  wake_id text,
  entity_url text NOT NULL,
  stream_path text NOT NULL,
  runner_id text,
  status text NOT NULL DEFAULT 'active',
  claimed_at timestamptz NOT NULL DEFAULT now(),
  last_heartbeat_at timestamptz,
  lease_expires_at timestamptz,
  released_at timestamptz,
  acked_streams jsonb,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, consumer_id, epoch)
);
CREATE INDEX ON consumer_claims (tenant_id, entity_url, status);
CREATE INDEX ON consumer_claims (tenant_id, lease_expires_at);
CREATE INDEX ON consumer_claims (tenant_id, runner_id);
CREATE INDEX ON consumer_claims (tenant_id, wake_id);

CREATE TABLE entity_dispatch_state (
  tenant_id text NOT NULL DEFAULT 'default',
  entity_url text NOT NULL,
  pending_source_streams jsonb NOT NULL DEFAULT '[]',
  pending_reason text,
  pending_since timestamptz,
  outstanding_wake_id text,
  outstanding_wake_target jsonb,
  outstanding_wake_created_at timestamptz,
  active_consumer_id text,
  active_runner_id text,
  active_epoch integer,
  active_claimed_at timestamptz,
  active_lease_expires_at timestamptz,
  last_wake_id text,
  last_claimed_at timestamptz,
  last_released_at timestamptz,
  last_completed_at timestamptz,
  last_error text,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, entity_url)
);
CREATE INDEX ON entity_dispatch_state (tenant_id, active_runner_id);
